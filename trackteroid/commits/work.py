"""Recordings made ready for one server: their batch, what is left of it, and how to send that.

Shared by `attempt` (with a ledger) and by `commit_now` (without).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import replace
from enum import Enum
from typing import Any

from trackteroid.commits.batch import Payload, build_batch
from trackteroid.commits.conflicts import ConflictPolicy, resolve, to_look_at
from trackteroid.commits.evidence import ensured_ids, evidence_in, is_row, update_of
from trackteroid.commits.order import column, entity_name
from trackteroid.commits.reconciliation import (
    UNKNOWN_BASE,
    Found,
    Plan,
    Question,
    plan_remaining,
    questions,
    read_answers,
)
from trackteroid.commits.release_facts import apply_facts
from trackteroid.commits.result import CommitResult, Skipped, result_of
from trackteroid.commits.schemas import Schemas
from trackteroid.commits.senders import stamped
from trackteroid.commits.server import Server
from trackteroid.commits.together import Part, collections_joined, created_once, creates_first, overtaken_in_all
from trackteroid.commits.validation import validate
from trackteroid.commits.versions import settle_versions, version_questions, wanted_versions
from trackteroid.errors import RecordingRefusedError, ServerCallError
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import (
    Operation,
    key_text,
    parse_key_text,
    resolve_textual_references,
)

__all__ = ["Existing", "Work"]


class Existing(Enum):
    """How much of what a batch creates is on the server."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


class Work:
    """What is to be done for recordings on one server.

    Args:
        server: Connection.
        schemas: The server's.
        parts: The recordings that become one batch; several only where they need each other.
        timeout: Seconds that a query may take.
    """

    def __init__(self, server: Server, schemas: Schemas, *parts: Part, timeout: float | None = None) -> None:
        self._server = server
        self._timeout = timeout
        self._schemas = schemas
        self.parts = parts
        operations, self._deltas = collections_joined(
            [(_operations_of(part, server), _deltas_of(part)) for part in parts]
        )
        if len(parts) == 1:
            self.batch: list[Payload] = build_batch(operations, schemas)
        else:
            self.batch = creates_first(build_batch(created_once(operations), schemas))
        manifests = [part.recording.manifest for part in parts if part.recording.manifest is not None]
        self._bases = {
            (base.entity, base.attribute): base.value for manifest in manifests for base in manifest.bases if base.known
        }
        self._also = {
            (base.entity, base.attribute): base.also for manifest in manifests for base in manifest.bases if base.also
        }
        self._created = {
            (payload["entity_type"], *payload["entity_key"]) for payload in self.batch if payload["action"] == "create"
        }
        self._recorded_before = {
            parsed for manifest in manifests for text in manifest.recorded_before if (parsed := parse_key_text(text))
        }
        self._ensured = frozenset[str]().union(*map(ensured_ids, manifests))
        self._skipped: list[Skipped] = []
        overtaken = overtaken_in_all(parts)
        if overtaken:
            self.batch = list(self._without(self.batch, overtaken))
        self._found: Found = {}
        self._plan = Plan(send=self.batch)

    def examine(self, *, version_policy: str = "fail", conflict_policy: ConflictPolicy | None = None) -> None:
        """Ask the server what only it knows before `to_send` may leave; one request, or none if there is nothing to ask.

        Args:
            version_policy: `fail` or `next`: what becomes of a wanted version number that is taken.
            conflict_policy: What becomes of values that somebody changed since they were recorded; None: they are overwritten.

        Raises:
            RecordingRefusedError: A wanted version number is taken or a value was changed, and the policy for that is `fail`.
            ServerCallError: The server did not say.
        """
        policy = conflict_policy or ConflictPolicy({})
        wanted = wanted_versions(self.batch, self.to_send)
        looked_at = to_look_at(self.to_send, self._is_created, policy, self._deltas)
        asked = questions(looked_at, self._schemas)
        expressions = [question.expression for question in asked]
        if wanted:
            expressions += version_questions(wanted)
        if not expressions:
            return
        batch = [{"action": "query", "expression": expression} for expression in expressions]
        answers = self._server.exchange(batch, timeout=self._timeout)
        if wanted:
            rows = [row for answer in answers[len(asked) :] for row in answer["data"]]
            self._plan.send, notes = settle_versions(self.to_send, wanted, rows, policy=version_policy)
            self._plan.notes.extend(notes)
        if looked_at:
            found = read_answers(asked, answers[: len(asked)], self._schemas)
            resolved = resolve(
                self.to_send,
                looked_at,
                found,
                self._schemas,
                base_of=self._base_of,
                policy=policy,
                deltas=self._deltas,
                also_of=self._also_of,
            )
            self._plan.send = resolved.send
            self._skipped.extend(resolved.skipped)

    @property
    def to_send(self) -> list[Payload]:
        """The payloads that are left to send."""
        return self._plan.send

    def reconcile(self, *, long_ago: bool = False) -> None:
        """Ask the server what is there already and leave that out of `to_send`.

        Args:
            long_ago: As of `plan_remaining`.

        Raises:
            ServerCallError: The server did not say.
        """
        self._found = self._ask(questions(self.batch, self._schemas))
        self._plan = plan_remaining(
            self.batch,
            self._found,
            self._schemas,
            self._base_of,
            self._deltas,
            also_of=self._also_of,
            ensured=self._ensured,
            long_ago=long_ago,
        )

    def existing(self) -> Existing:
        """Ask how much of what the batch creates is there, as far as nobody else can have created it.

        All of it: the batch was applied before, for it is applied as a whole, and `to_send` is left empty.

        Raises:
            ServerCallError: The server did not say.
        """
        own = evidence_in(self.batch, self._ensured)
        if not own:
            return Existing.NONE
        creates = [payload for payload in self.batch if payload["action"] == "create"]
        found = self._ask(questions(creates, self._schemas, creates_only=True))
        if not any((entity_type, *key) in own for entity_type, key in found):
            return Existing.NONE
        if any(_identity(payload) not in found for payload in creates):
            return Existing.SOME
        self._found = found
        self._plan = Plan(done=len(self.batch))
        return Existing.ALL

    def leave_out_deleted(self) -> bool:
        """Ask which of the entities that existed before are gone, after the server has refused the batch.

        What was to be deleted and is gone is done: it leaves `to_send`.

        Returns:
            Whether `to_send` has changed.

        Raises:
            RecordingRefusedError: Something was there when it was recorded, is to be updated, and is gone.
            ServerCallError: The server did not say.
        """
        older = [payload for payload in self.to_send if payload["action"] != "create" and not self._is_created(payload)]
        found = self._ask(questions(({**each, "action": "delete"} for each in older), self._schemas))
        gone = {_identity(payload) for payload in older if _identity(payload) not in found}
        if not gone.isdisjoint(self._recorded_before):
            # Perhaps the recording that creates it has not arrived: the server's refusal makes this one wait for it.
            return False
        deleted = {_identity(payload) for payload in older if payload["action"] == "delete"} & gone
        known = {entity for entity, _ in self._bases}
        lost = [
            f"{entity_type} {entity_name(key)}"
            for entity_type, key in sorted(gone - deleted)
            if key_text(entity_type, key) in known
        ]
        if lost:
            raise RecordingRefusedError(
                f"What it updates has been deleted since it was recorded: {', '.join(lost)}. Nothing was sent."
            )
        if not deleted:
            return False
        self._plan.send = [payload for payload in self.to_send if _identity(payload) not in deleted]
        self._plan.notes.extend(f"{kind} {entity_name(key)} had been deleted already." for kind, key in sorted(deleted))
        return True

    def update_rows_there(self) -> bool:
        """Ask which rows have been created by somebody else meanwhile, after the server has refused the batch as a duplicate.

        Two people may be the first to give a task some metadata of one name. The second one's is an update then.

        Returns:
            Whether `to_send` has changed.

        Raises:
            ServerCallError: The server did not say.
        """
        rows = [payload for payload in self.to_send if payload["action"] == "create" and is_row(payload)]
        found = self._ask(questions(rows, self._schemas, creates_only=True))
        if not found:
            return False
        updated = [
            update_of(payload, self._schemas.primary_key(payload["entity_type"]))
            if payload["action"] == "create" and _identity(payload) in found
            else payload
            for payload in self.to_send
        ]
        self._plan.send = [payload for payload in updated if payload is not None]
        return True

    def validate(self) -> None:
        """Check what is left against the live schema.

        Raises:
            RecordingRefusedError: Names the types and attributes the server does not know.
        """
        validate(self.to_send, self._schemas)

    def send(self, *, timeout: float | None, as_user: str | None = None) -> CommitResult:
        """Send what is left as one batch.

        Args:
            timeout: Seconds that the request may take.
            as_user: In whose name; None: the connection's own user.

        Raises:
            ServerCallError: There is no usable result.
        """
        if not self.to_send:
            return self.result([])
        if as_user is None:
            return self.result(self._server.exchange(self.to_send, timeout=timeout))
        answers = self._server.exchange(self.to_send, timeout=timeout, as_user=as_user)
        return replace(self.result(answers), sent_as=as_user)

    def stamp(self, find_user: Callable[[str], str | None]) -> None:
        """Put the recording users into what is sent in the worker's name, where the recordings could not.

        Args:
            find_user: Returns the id of the user of a name, None if there is none.
        """
        self._plan.send, notes = stamped(self.to_send, self.parts, find_user)
        self._plan.notes.extend(notes)

    def note(self, text: str) -> None:
        """Add a sentence to the result."""
        self._plan.notes.append(text)

    def result(self, answers: list[Any]) -> CommitResult:
        """Return the result, given the server's answers to `to_send`."""
        # Released with --partial: what was missing then.
        gaps = [
            f"Published without all of its files: {gap}"
            for part in self.parts
            if part.release
            for gap in part.release.gaps
        ]
        return result_of(
            self.batch,
            self.to_send,
            answers,
            self._found,
            [*gaps, *self._plan.notes],
            self._skipped,
            has_untold=self._plan.has_untold,
        )

    def refused_as_duplicate(self, error: ServerCallError) -> bool:
        """Whether a refusal may mean that the batch was applied before: something it creates exists."""
        if error.maybe_applied or error.exception not in ("IntegrityError", "DuplicateEntryError"):
            return False
        return any(payload["action"] == "create" for payload in self.to_send)

    def _is_created(self, payload: Payload) -> bool:
        return (payload["entity_type"], *payload["entity_key"]) in self._created

    def _without(self, batch: Iterable[Payload], overtaken: Set[tuple[str, str]]) -> Iterable[Payload]:
        for payload in batch:
            if payload["action"] == "update":
                name = entity_name(map(str, payload["entity_key"]))
                data = payload["entity_data"]
                late = {attribute for attribute in data if (name, column(attribute)) in overtaken}
                for attribute in sorted(late):
                    self._skipped.append(
                        Skipped(
                            entity_type=payload["entity_type"],
                            key=name,
                            attribute=attribute,
                            reason="superseded",
                            wanted=data[attribute],
                        )
                    )
                if late:
                    kept = {attribute: value for attribute, value in data.items() if attribute not in late}
                    if not kept.keys() - {"__entity_type__"}:
                        continue
                    payload = {**payload, "entity_data": kept}
            yield payload

    def _ask(self, asked: Sequence[Question]) -> Found:
        if not asked:
            return {}
        batch = [{"action": "query", "expression": question.expression} for question in asked]
        return read_answers(asked, self._server.exchange(batch, timeout=self._timeout), self._schemas)

    def _also_of(self, entity_type: str, key: tuple[str, ...], attribute: str) -> Sequence[Any]:
        return self._also.get((key_text(entity_type, key), attribute), ())

    def _base_of(self, entity_type: str, key: tuple[str, ...], attribute: str) -> Any:
        return self._bases.get((key_text(entity_type, key), attribute), UNKNOWN_BASE)


def _operations_of(part: Part, server: Server) -> Sequence[Operation]:
    operations = resolve_textual_references(part.recording.operations, server.schemas)
    return operations if part.release is None else apply_facts(operations, part.release)


def _identity(payload: Payload) -> tuple[str, tuple[str, ...]]:
    return payload["entity_type"], tuple(map(str, payload["entity_key"]))


def _deltas_of(part: Part) -> Sequence[Delta]:
    return () if part.recording.manifest is None else part.recording.manifest.deltas
