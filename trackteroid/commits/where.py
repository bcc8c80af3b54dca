"""Where is it? An artist's question about a publish, answered from the ledger and the spool; ftrack is not asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trackteroid.commits.commit import Commit
from trackteroid.commits.filtering import CommitFilter, select
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.payload import decompress
from trackteroid.commits.signing import unseal
from trackteroid.commits.spool import Entry, Spool
from trackteroid.commits.state import DUE_STATES, CommitState
from trackteroid.commits.submission import facts_of
from trackteroid.commits.words import fits_words, words_of_commit
from trackteroid.errors import TrackteroidError
from trackteroid.operations.recording import Recording

__all__ = ["Place", "find_in_ledger", "find_in_spool"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where one publish is.

    Attributes:
        commit: What is known of it; for one in a spool what its recording says.
        spool: The file that waits; None if it is in the ledger.
        note: Why it is in the spool, and that its release waits there too.
    """

    commit: Commit
    spool: str | None = None
    note: str = ""

    @property
    def state(self) -> str:
        """Its state; `spooled` while only a spool has it."""
        return self.commit.state.value if self.spool is None else "spooled"

    @property
    def versions(self) -> tuple[int, ...]:
        """The numbers that ftrack gave its versions, once it is committed."""
        result = self.commit.result or {}
        versions = result.get("versions")
        return tuple(sorted(set(versions.values()))) if isinstance(versions, Mapping) else ()

    @property
    def wanted_version(self) -> str:
        """The version numbers that were recorded; empty if that was left to ftrack."""
        return str(self.commit.facts.context.get("version") or "")

    @property
    def next_attempt(self) -> float | None:
        """When it is tried next, seconds since the epoch; None where nobody knows or nothing is left to try."""
        commit = self.commit
        return commit.due_at if self.spool is None and commit.state in DUE_STATES else None

    @property
    def reason(self) -> str:
        """Why it is where it is; empty where there is nothing to say."""
        commit = self.commit
        if self.note:
            return self.note
        if commit.state is CommitState.WAITING and commit.waiting is not None:
            return commit.waiting.reason
        if commit.state is CommitState.HELD:
            return f"Waits for its render: trackteroid release {commit.id}"
        if commit.state is CommitState.COMMITTED:
            return " ".join(_texts((commit.result or {}).get("notes")))
        return "" if commit.error is None else commit.error.message

    @property
    def history(self) -> tuple[str, ...]:
        """Who did what, oldest first: the recording itself, then what people did to it."""
        facts = self.commit.facts
        told = [f"recorded by {facts.user or 'unknown'}{f' on {facts.host}' if facts.host else ''}"]
        return (*told, *(f"{action.name} by {action.actor or 'unknown'}" for action in self.commit.actions))

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values: those of the commit, and these."""
        return {
            **self.commit.as_dict(),
            "state": self.state,
            "place": "ledger" if self.spool is None else "spool",
            "spool": self.spool,
            "versions": list(self.versions),
            "wanted_version": self.wanted_version,
            "next_attempt": self.next_attempt,
            "reason": self.reason,
            "history": list(self.history),
        }


def find_in_ledger(
    ledger: Ledger, words: Sequence[str], wanted: CommitFilter, *, now: float, limit: int
) -> list[Place]:
    """Return the newest `limit` commits of a ledger that all of the words fit.

    Args:
        ledger: Where to look.
        words: See `trackteroid.commits.words`.
        wanted: What else must fit.
        now: Seconds since the epoch, for ages.
        limit: How many at most.

    Raises:
        LedgerUnavailableError: The ledger cannot be reached.
    """
    return [Place(commit=commit) for commit in select(ledger, wanted, now=now, limit=limit, words=words)]


def find_in_spool(
    spool: Spool, words: Sequence[str], wanted: CommitFilter, *, server_url: str | None, payload_limit: int, now: float
) -> tuple[list[Place], list[str]]:
    """Return what waits in a spool and fits, newest first; and what could not be read, in sentences.

    Args:
        spool: A node's own, or the shared one.
        words, wanted: As for `find_in_ledger`.
        server_url: Normalised URL of the ftrack server that it is for; None: whichever.
        payload_limit: Largest recording, compressed.
        now: As for `find_in_ledger`.

    Raises:
        SpoolError: The folder cannot be read.
    """
    found: list[tuple[Commit, str, str]] = []
    complaints: list[str] = []
    released: set[tuple[str, str]] = set()
    for entry in reversed(spool.waiting()):
        try:
            item = spool.read(entry)
            if server_url is not None and item.server_url != server_url:
                continue
            if item.kind == "release":
                released.add((item.commit_id, item.server_url))
                continue
            payload, _ = unseal(item.payload)
            recording = Recording.from_payload(decompress(payload, limit=payload_limit))
        except FileNotFoundError:
            # Delivered this moment.
            continue
        except TrackteroidError as error:
            complaints.append(f"{entry.path}: {error}")
            continue
        commit = _as_commit(entry, item.commit_id, item.server_url, recording, held=item.terms.hold)
        if wanted.fits_age(commit, now=now) and wanted.fits(commit) and fits_words(words, words_of_commit(commit)):
            found.append((commit, str(entry.path), f"Waits in the spool: {item.reason}"))
    places = []
    for commit, path, note in found:
        if (commit.id, commit.server_url) in released:
            note += " (Its release waits there too.)"
        elif commit.state is CommitState.HELD:
            note += " (It is held.)"
        places.append(Place(commit=commit, spool=path, note=note))
    return places, complaints


def _as_commit(entry: Entry, commit_id: str, server_url: str, recording: Recording, *, held: bool) -> Commit:
    return Commit(
        id=commit_id,
        state=CommitState.HELD if held else CommitState.QUEUED,
        digest=recording.digest,
        server_url=server_url,
        facts=facts_of(recording),
        created_at=entry.accepted_at,
        updated_at=entry.accepted_at,
        payload_size=entry.size,
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()
