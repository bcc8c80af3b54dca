"""One recording made ready for one server: its batch, what is left of it, and how to send that.

Shared by `committer` (with a ledger) and by `commit_now` (without).
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

from trackteroid.commits.batch import Payload, build_batch
from trackteroid.commits.conflicts import ConflictPolicy, resolve, to_look_at
from trackteroid.commits.order import column, entity_name
from trackteroid.commits.reconciliation import UNKNOWN_BASE, Found, Plan, plan_remaining, questions, read_answers
from trackteroid.commits.release_facts import ReleaseFacts, apply_facts
from trackteroid.commits.result import CommitResult, Skipped, result_of
from trackteroid.commits.schemas import Schemas
from trackteroid.commits.server import Server
from trackteroid.commits.validation import validate
from trackteroid.commits.versions import settle_versions, version_question, wanted_versions
from trackteroid.errors import ServerCallError
from trackteroid.operations.effects import identity_of
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import (
    CreateOperation,
    key_text,
    parse_key_text,
    resolve_textual_references,
)
from trackteroid.operations.recording import Recording

__all__ = ["Work"]


class Work:
    """What is to be done for one recording on one server.

    Args:
        server: Connection.
        schemas: The server's.
        recording: What was recorded.
        timeout: Seconds that a query may take.
        overtaken: (entity, attribute) as the ledger names them whose later value is there; not written any more.
        release: What the release of a held recording added to it.
    """

    def __init__(
        self,
        server: Server,
        schemas: Schemas,
        recording: Recording,
        *,
        timeout: float | None = None,
        overtaken: Set[tuple[str, str]] = frozenset(),
        release: ReleaseFacts | None = None,
    ) -> None:
        self._server = server
        self._timeout = timeout
        self._schemas = schemas
        operations = resolve_textual_references(recording.operations, server.schemas)
        if release is not None:
            operations = apply_facts(operations, release)
        self.batch: list[Payload] = build_batch(operations, schemas)
        manifest = recording.manifest
        self._bases = {
            (base.entity, base.attribute): base.value for base in (manifest.bases if manifest else ()) if base.known
        }
        self._deltas = _deltas_of(manifest.deltas if manifest else ())
        self._created = {identity_of(operation) for operation in operations if isinstance(operation, CreateOperation)}
        self._skipped: list[Skipped] = []
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
            expressions.append(version_question(wanted))
        if not expressions:
            return
        batch = [{"action": "query", "expression": expression} for expression in expressions]
        answers = self._server.exchange(batch, timeout=self._timeout)
        if wanted:
            self._plan.send, notes = settle_versions(self.to_send, wanted, answers[-1]["data"], policy=version_policy)
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
            )
            self._plan.send = resolved.send
            self._skipped.extend(resolved.skipped)

    @property
    def to_send(self) -> list[Payload]:
        """The payloads that are left to send."""
        return self._plan.send

    def reconcile(self) -> None:
        """Ask the server what is there already and leave that out of `to_send`.

        Raises:
            ServerCallError: The server did not say.
        """
        asked = questions(self.batch, self._schemas)
        self._ask(asked)
        self._plan = plan_remaining(self.batch, self._found, self._schemas, self._base_of, self._deltas)

    def all_created(self) -> bool:
        """Whether the batch creates something, and all of it exists: it was applied, for a batch is applied as a whole.

        Leaves `to_send` empty then.

        Raises:
            ServerCallError: The server did not say.
        """
        creates = [payload for payload in self.batch if payload["action"] == "create"]
        if not creates:
            return False
        self._ask(questions(creates, self._schemas, creates_only=True))
        identities = {(payload["entity_type"], tuple(map(str, payload["entity_key"]))) for payload in creates}
        if not identities <= self._found.keys():
            return False
        self._plan = Plan(done=len(self.batch))
        return True

    def partly_created(self) -> bool:
        """Whether `all_created` found some of what the batch creates."""
        return bool(self._found)

    def validate(self) -> None:
        """Check what is left against the live schema.

        Raises:
            RecordingRefusedError: Names the types and attributes the server does not know.
        """
        validate(self.to_send, self._schemas)

    def send(self, *, timeout: float | None) -> CommitResult:
        """Send what is left as one batch.

        Raises:
            ServerCallError: There is no usable result.
        """
        if not self.to_send:
            return self.result([])
        return self.result(self._server.exchange(self.to_send, timeout=timeout))

    def result(self, answers: list[Any]) -> CommitResult:
        """Return the result, given the server's answers to `to_send`."""
        return result_of(self.batch, self.to_send, answers, self._found, self._plan.notes, self._skipped)

    def refused_as_duplicate(self, error: ServerCallError) -> bool:
        """Whether a refusal may mean that the batch was applied before: something it creates exists."""
        if error.maybe_applied or error.exception not in ("IntegrityError", "DuplicateEntryError"):
            return False
        return any(payload["action"] == "create" for payload in self.to_send)

    def _is_created(self, payload: Payload) -> bool:
        return (payload["entity_type"], tuple(map(str, payload["entity_key"]))) in self._created

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

    def _ask(self, asked: list[Any]) -> None:
        if asked:
            batch = [{"action": "query", "expression": question.expression} for question in asked]
            answers = self._server.exchange(batch, timeout=self._timeout)
            self._found = read_answers(asked, answers, self._schemas)

    def _base_of(self, entity_type: str, key: tuple[str, ...], attribute: str) -> Any:
        return self._bases.get((key_text(entity_type, key), attribute), UNKNOWN_BASE)


def _deltas_of(deltas: Iterable[Delta]) -> dict[tuple[str, tuple[str, ...], str], Delta]:
    found = {}
    for delta in deltas:
        parsed = parse_key_text(delta.entity)
        if parsed is not None:
            entity_type, key = parsed
            found[entity_type, key, delta.attribute] = delta
    return found
