"""What the ledger knows of one commit, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.state import CommitState
from trackteroid.errors import LedgerDataError

__all__ = ["Action", "Commit", "CommitError", "CommitFacts", "Waiting"]

#: How much of a server's text is kept: enough for a traceback's last lines, little enough for a row in Redis.
SERVER_TEXT_LIMIT = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitError:
    """Why the last attempt did not end in `committed`.

    Attributes:
        kind: The verdict: a value of `classification.VerdictKind`, or `"poison"` or `"worker_lost"` given by the ledger itself;
            `"unreadable"` in a list, if the ledger's row cannot be read.
        error_class: Class-like name of the failure, `ValidationError` for example.
        message: One sentence for a person: what happened and what to do.
        server_text: What the server said, shortened; None if it said nothing.
    """

    kind: str
    error_class: str
    message: str
    server_text: str | None = None

    def to_json(self) -> str:
        """Return the text the ledger stores."""
        text = self.server_text
        return json.dumps(
            {
                "kind": self.kind,
                "class": self.error_class,
                "message": self.message,
                "server_text": None if text is None else text[:SERVER_TEXT_LIMIT],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> CommitError:
        """Return the error stored as `text`."""
        data = json.loads(text)
        return cls(
            kind=str(data["kind"]),
            error_class=str(data["class"]),
            message=str(data["message"]),
            server_text=data.get("server_text"),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the error as plain JSON values."""
        return {
            "kind": self.kind,
            "class": self.error_class,
            "message": self.message,
            "server_text": self.server_text,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitFacts:
    """What people search commits by: taken from the recording's manifest, all of it optional but the count.

    Attributes:
        operations: How many operations were recorded.
        user: Who recorded, as the operating system and ftrack know them.
        host: Where.
        application: With what.
        recorded_at: When, ISO 8601 in UTC.
        context: Project, parents, asset, task and so on, in plain text.
        labels: What the recording was labelled with, `farm_job` for example.
        recovered: Whether it was enqueued because an earlier ledger was lost, so that it may have been committed before.
    """

    operations: int
    user: str | None = None
    host: str | None = None
    application: str | None = None
    recorded_at: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    recovered: bool = False

    @property
    def flow(self) -> str:
        """What one user does on one show. Flows take turns, so that one's flood does not starve the others."""
        # Redis takes no half characters.
        return f"{self.context.get('project') or ''}\n{self.user or ''}".encode("utf-8", "replace").decode()

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return {
            "operations": self.operations,
            "user": self.user,
            "host": self.host,
            "application": self.application,
            "recorded_at": self.recorded_at,
            "context": dict(self.context),
            "labels": dict(self.labels),
            "recovered": self.recovered,
        }

    def to_json(self) -> str:
        """Return the text the ledger stores."""
        return json.dumps(self.as_dict())

    @classmethod
    def from_json(cls, text: str) -> CommitFacts:
        """Return the facts stored as `text`; names that a newer release added are left out."""
        data = json.loads(text)
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """Something that a person did to a commit.

    Attributes:
        name: `hold`, `release`, `retry` or `cancel`.
        actor: Who, as the tool says that did it; None if it did not say.
        at: When, seconds since the epoch on the ledger's clock.
    """

    name: str
    actor: str | None
    at: float

    def as_dict(self) -> dict[str, Any]:
        """Return the action as plain JSON values."""
        return {"name": self.name, "actor": self.actor, "at": self.at}

    @classmethod
    def from_json(cls, text: str) -> Action:
        """Return the action stored as `text`."""
        data = json.loads(text)
        return cls(name=str(data["name"]), actor=data.get("actor") or None, at=float(data["at"]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """Why a commit is waiting.

    Attributes:
        kind: `needs` (another one creates what it refers to), `order` (an earlier one writes the same), `version` (an earlier one
            creates a version of the same asset), `depends` (it was told to), `missing` (nobody known creates what it refers to),
            `together` (both need each other: it is committed with that one, as one batch).
        commit_id: The commit it waits for; None if it is not known.
        subject: What this is about: an entity's id, with the attribute where there is one.
        state: `held`, `dead`, `cancelled` or `unknown` where that commit will not be committed by itself; else empty.
    """

    kind: str
    commit_id: str | None
    subject: str
    state: str = ""

    @property
    def reason(self) -> str:
        """One sentence for a person."""
        reason = {
            "needs": f"Waits for commit {self.commit_id}, which creates {self.subject}",
            "order": f"Waits for the earlier commit {self.commit_id}, which writes {self.subject} too",
            "version": f"Waits for the earlier commit {self.commit_id}, which makes a version of the asset {self.subject} too",
            "depends": f"Waits for commit {self.commit_id}, as it was told to",
            "missing": "Waits for a recording that creates what it refers to",
            "together": f"Is committed together with {self.commit_id}, as they need each other",
        }[self.kind]
        remedy = {
            "held": ", which is held: release it",
            "dead": ", which is dead: retry it, or cancel both",
            "cancelled": ", which was cancelled: cancel this one too, or record it again",
            "unknown": ", which nobody has enqueued yet",
        }.get(self.state, "")
        return f"{reason}{remedy}."

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return {
            "kind": self.kind,
            "commit_id": self.commit_id,
            "subject": self.subject,
            "state": self.state,
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """One commit as the ledger shows it. Times are seconds since the epoch on the ledger's clock, None where they do not apply.

    Attributes:
        id: The recording's id; what makes committing it twice impossible.
        state: See `CommitState`.
        digest: SHA-256 over the recorded operations, hexadecimal.
        server_url: Normalised URL of the ftrack server it is for.
        facts: What the manifest says, for people who search.
        payload_size: Bytes of the stored recording, compressed.
        created_at: When it was accepted.
        updated_at: When its state last changed.
        due_at: From when on a worker may claim it.
        committed_at: When it was reported as done.
        trying_since: First claim since it was queued (or since the environment last failed): the horizon counts from here.
        attempts: Claims, apart from those handed back by a shutdown.
        undecided_claims: Claims since the last verdict; too many of them make poison.
        unknown_failures: Verdicts "unknown" so far.
        owner: The worker that holds it.
        lease_expires_at: Until when that worker holds it without a sign of life.
        sent_until: The current attempt has sent its request, whose deadline this is.
        uncertain_until: An earlier attempt may have been applied; its deadline. Stays until the commit ends.
        error: Why the last attempt failed.
        result: What committing brought: created ids, version numbers, notes.
        actions: What people did to it, oldest first.
        priority: Higher ones are committed first.
        waiting: Why it is waiting; None in other states.
        waiting_since: When it was first refused because something it refers to was missing; that horizon counts from here.
        release: What its release added to the recording; None if it was never held.
        together: Other commits that it needs and that need it: they are committed with it, as one batch.
    """

    id: str
    state: CommitState
    digest: str
    server_url: str
    facts: CommitFacts
    created_at: float
    updated_at: float
    payload_size: int = 0
    due_at: float | None = None
    committed_at: float | None = None
    trying_since: float | None = None
    attempts: int = 0
    undecided_claims: int = 0
    unknown_failures: int = 0
    owner: str | None = None
    lease_expires_at: float | None = None
    sent_until: float | None = None
    uncertain_until: float | None = None
    error: CommitError | None = None
    result: Mapping[str, Any] | None = None
    actions: tuple[Action, ...] = ()
    priority: int = 0
    waiting: Waiting | None = None
    waiting_since: float | None = None
    release: ReleaseFacts | None = None
    together: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the commit as plain JSON values, without what only workers need."""
        return {
            "id": self.id,
            "state": self.state.value,
            "attempts": self.attempts,
            "priority": self.priority,
            "error": None if self.error is None else self.error.as_dict(),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "due_at": self.due_at,
            "committed_at": self.committed_at,
            "owner": self.owner,
            "server_url": self.server_url,
            "digest": self.digest,
            "payload_size": self.payload_size,
            **self.facts.as_dict(),
            "result": None if self.result is None else dict(self.result),
            "waiting": None if self.waiting is None else self.waiting.as_dict(),
            "together": list(self.together),
            "actions": [action.as_dict() for action in self.actions],
            "release": None if self.release is None else self.release.as_dict(),
        }

    @classmethod
    def from_fields(cls, commit_id: str, server_url: str, fields: Mapping[str, str]) -> Commit:
        """Return the commit that a ledger row describes.

        Args:
            commit_id: Its id.
            server_url: The ledger's server.
            fields: Name to text, as stored; what is not set is missing.

        Raises:
            LedgerDataError: The row cannot be read.
        """

        def moment(name: str) -> float | None:
            text = fields.get(name)
            return float(text) if text else None

        try:
            return cls(
                id=commit_id,
                state=CommitState(fields["state"]),
                digest=fields["digest"],
                server_url=server_url,
                facts=CommitFacts.from_json(fields["facts"]),
                created_at=float(fields["created_at"]),
                updated_at=float(fields["updated_at"]),
                payload_size=int(fields.get("payload_size", "0")),
                due_at=moment("due_at"),
                committed_at=moment("committed_at"),
                trying_since=moment("trying_since"),
                attempts=int(fields.get("attempts", "0")),
                undecided_claims=int(fields.get("undecided_claims", "0")),
                unknown_failures=int(fields.get("unknown_failures", "0")),
                owner=fields.get("owner") or None,
                lease_expires_at=moment("lease_expires_at"),
                sent_until=moment("sent_until"),
                uncertain_until=moment("uncertain_until"),
                error=CommitError.from_json(fields["error"]) if fields.get("error") else None,
                result=json.loads(fields["result"]) if fields.get("result") else None,
                priority=int(fields.get("priority", "0")),
                waiting=_waiting(fields),
                waiting_since=moment("waiting_since"),
                release=ReleaseFacts.from_json(fields["release"]) if fields.get("release") else None,
                together=tuple(json.loads(fields["together"])) if fields.get("together") else (),
                # Not `splitlines`: names may hold what Unicode counts as the end of a line, and Redis writes that as it is.
                actions=tuple(Action.from_json(line) for line in fields.get("actions", "").split("\n") if line),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerDataError(
                f"The ledger row of commit {commit_id} cannot be read ({type(error).__name__}: {error}). "
                "Was it written by a newer release?"
            ) from error

    @classmethod
    def unreadable(
        cls, commit_id: str, server_url: str, fields: Mapping[str, str], error: LedgerDataError, *, created_at: float
    ) -> Commit:
        """Return what stands in a list for a row that cannot be read, with the reason as its error: it must not hide the others.

        Args:
            commit_id: Its id.
            server_url: The ledger's server.
            fields: The row.
            error: What is wrong with it.
            created_at: When it was accepted, as the index says.
        """
        state = fields.get("state")
        return cls(
            id=commit_id,
            # Nothing goes on by itself that workers cannot read.
            state=CommitState(state) if state in set(CommitState) else CommitState.DEAD,
            digest=fields.get("digest", ""),
            server_url=server_url,
            facts=CommitFacts(operations=0),
            created_at=created_at,
            updated_at=created_at,
            error=CommitError(kind="unreadable", error_class=type(error).__name__, message=str(error)),
        )


def _waiting(fields: Mapping[str, str]) -> Waiting | None:
    kind = fields.get("waiting_kind")
    if not kind:
        return None
    return Waiting(
        kind=kind,
        commit_id=fields.get("waiting_for") or None,
        subject=fields.get("waiting_subject", ""),
        state=fields.get("waiting_state", ""),
    )
