"""Experiments on a test project that settle what no documentation says of an ftrack server.

Exactly-once rests on some of these answers; the rest decides how version numbers come about. The sandbox gives the answers
that the clients' sources suggest; a real server may differ, and so each experiment names what the sandbox does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from trackteroid.errors import BadInputError, ServerCallError

__all__ = ["EXPERIMENTS", "Experiment", "Laboratory"]

Exchange = Callable[[list[dict[str, Any]]], list[Any]]

# Something to hang assets below; the first that the server has. Folders mean least to whoever looks at the project.
_CONTEXT_TYPES = ("Folder", "Sequence", "Shot", "AssetBuild", "Task")
# Requests that are under way together, and how often.
_WRITERS = 4
_ROUNDS = 5

_REFUSED = "refused"
_ACCEPTED = "accepted"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One question to a server.

    Attributes:
        question: What it is about.
        run: Does the experiment and returns the answer.
        sandbox: The sandbox's answer.
        needed: The answer that exactly-once rests on, None if any will do.
    """

    question: str
    run: Callable[[Laboratory], str]
    sandbox: str
    needed: str | None = None


class Laboratory:
    """A corner of a test project: everything is made below one context, and removed with it.

    As a context manager it makes that context and removes it.

    Args:
        exchange: Sends a batch of plain operations and returns their results; raises ServerCallError.
        project_id: The project.
        entity_types: Names of the server's entity types.
        new_id: Makes ids.

    Raises:
        BadInputError: The server has no type of context that could be used.
        ServerCallError: The server can't be asked, or refuses even harmless things.
    """

    def __init__(
        self, exchange: Exchange, project_id: str, entity_types: Collection[str], new_id: Callable[[], str]
    ) -> None:
        self._exchange = exchange
        self._project_id = project_id
        self._new_id = new_id
        usable = [name for name in _CONTEXT_TYPES if name in entity_types]
        if not usable:
            raise BadInputError(f"This server has none of these object types: {', '.join(_CONTEXT_TYPES)}.")
        self._context_type = usable[0]
        self._context_id = new_id()
        self._name = f"trackteroid_probe_{self._context_id[:8]}"
        self._asset_type: dict[str, str] = {}

    def __enter__(self) -> Laboratory:
        types = self.query("select id from AssetType limit 1")
        self._asset_type = {"type_id": types[0]["id"]} if types else {}
        data = {"name": self._name, "parent_id": self._project_id, "project_id": self._project_id}
        try:
            self.send(self.created(self._context_type, self._context_id, **data))
        except ServerCallError as error:
            if error.maybe_applied:
                self._clear()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        try:
            self._clear()
        except ServerCallError as failure:
            left = f"What was made for the experiments is still there: {self._context_type} {self._name}."
            raise ServerCallError(
                f"{failure} {left}", kind=failure.kind, status=failure.status, maybe_applied=failure.maybe_applied
            ) from failure

    def _clear(self) -> None:
        """Remove everything; the server takes along what hangs below."""
        context = f'{self._context_type} where id is "{self._context_id}"'
        assets = self.query(f'select id from Asset where context_id is "{self._context_id}"')
        operations = [self.deleted("Asset", each["id"]) for each in assets]
        if self.query(f"select id from {context}"):
            operations.append(self.deleted(self._context_type, self._context_id))
        if operations:
            self.send(*operations)

    # What experiments are made of

    def send(self, *operations: dict[str, Any]) -> list[Any]:
        """Send one batch; returns the data of each result."""
        return [result["data"] for result in self._exchange(list(operations))]

    def query(self, expression: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.send({"action": "query", "expression": expression})[0]
        return rows

    def is_refused(self, *operations: dict[str, Any]) -> bool:
        """Whether the server answers with an error of its own; any other failure is raised."""
        try:
            self.send(*operations)
        except ServerCallError as error:
            if error.kind != "error_object":
                raise
            return True
        return False

    def new_id(self) -> str:
        return self._new_id()

    @staticmethod
    def created(entity_type: str, identifier: str, **data: Any) -> dict[str, Any]:
        return {
            "action": "create",
            "entity_type": entity_type,
            "entity_key": [identifier],
            "entity_data": {"__entity_type__": entity_type, "id": identifier, **data},
        }

    @staticmethod
    def updated(entity_type: str, identifier: str, **data: Any) -> dict[str, Any]:
        return {
            "action": "update",
            "entity_type": entity_type,
            "entity_key": [identifier],
            "entity_data": {"__entity_type__": entity_type, **data},
        }

    @staticmethod
    def deleted(entity_type: str, identifier: str) -> dict[str, Any]:
        return {"action": "delete", "entity_type": entity_type, "entity_key": [identifier]}

    def asset(self, identifier: str) -> dict[str, Any]:
        """A `create` of an asset in the laboratory."""
        name = f"probe_{identifier[:8]}"
        return self.created("Asset", identifier, name=name, context_id=self._context_id, **self._asset_type)

    def version(self, asset_id: str, identifier: str | None = None, **data: Any) -> dict[str, Any]:
        """A `create` of a version, whose number the server chooses if none is given."""
        return self.created("AssetVersion", identifier or self._new_id(), asset_id=asset_id, **data)

    def numbers(self, asset_id: str) -> list[int]:
        """The numbers of an asset's versions, ascending."""
        rows = self.query(f'select version from AssetVersion where asset_id is "{asset_id}"')
        return sorted(row["version"] for row in rows)


# Exactly once


def _second_create(laboratory: Laboratory) -> str:
    """The same id again, for what a publish makes. Recordings bring their ids along: this makes a repeated batch harmless."""
    asset, version, component = (laboratory.new_id() for _ in range(3))
    first = [
        laboratory.asset(asset),
        laboratory.version(asset, version),
        laboratory.created("FileComponent", component, name="main", version_id=version),
    ]
    laboratory.send(*first)
    accepted = [operation["entity_type"] for operation in first if not laboratory.is_refused(operation)]
    return f"{_ACCEPTED} ({', '.join(accepted)})" if accepted else _REFUSED


def _failing_batch(laboratory: Laboratory) -> str:
    """A batch whose last operation can't be done, in two ways: is anything left of the first?"""
    known = laboratory.new_id()
    laboratory.send(laboratory.asset(known))
    answers = set()
    for failing in (laboratory.asset(known), laboratory.updated("AssetVersion", laboratory.new_id(), comment="probe")):
        asset = laboratory.new_id()
        if laboratory.is_refused(laboratory.asset(asset), failing):
            answers.add(_PARTLY if laboratory.query(f'select id from Asset where id is "{asset}"') else _NOTHING)
    if not answers:
        return "it could not be made to fail"
    return _PARTLY if _PARTLY in answers else _NOTHING


_NOTHING = "nothing is applied"
_PARTLY = "it is applied in part"


def _seen_at_once(laboratory: Laboratory) -> str:
    """Who asks after a lost answer whether the batch arrived must get the truth."""
    for _ in range(_ROUNDS):
        asset = laboratory.new_id()
        laboratory.send(laboratory.asset(asset))
        if not laboratory.query(f'select id from Asset where id is "{asset}"'):
            return "not always"
    return "always"


def _missing_row(laboratory: Laboratory) -> str:
    missing = laboratory.new_id()
    return _verdict(laboratory.is_refused(laboratory.updated("AssetVersion", missing, comment="probe")))


def _second_delete(laboratory: Laboratory) -> str:
    asset = laboratory.new_id()
    laboratory.send(laboratory.asset(asset))
    laboratory.send(laboratory.deleted("Asset", asset))
    return _verdict(laboratory.is_refused(laboratory.deleted("Asset", asset)))


def _verdict(is_refused: bool) -> str:
    return _REFUSED if is_refused else _ACCEPTED


# Version numbers


def _numbering(laboratory: Laboratory) -> str:
    asset = laboratory.new_id()
    laboratory.send(laboratory.asset(asset))
    for _ in range(3):
        laboratory.send(laboratory.version(asset))
    return ", ".join(map(str, laboratory.numbers(asset)))


def _numbering_in_a_batch(laboratory: Laboratory) -> str:
    asset = laboratory.new_id()
    laboratory.send(laboratory.asset(asset), *(laboratory.version(asset) for _ in range(3)))
    return ", ".join(map(str, laboratory.numbers(asset)))


def _number_taken(laboratory: Laboratory) -> str:
    asset = laboratory.new_id()
    laboratory.send(laboratory.asset(asset), laboratory.version(asset, version=1))
    return _verdict(laboratory.is_refused(laboratory.version(asset, version=1)))


def _number_free_again(laboratory: Laboratory) -> str:
    asset, last = laboratory.new_id(), laboratory.new_id()
    laboratory.send(laboratory.asset(asset))
    laboratory.send(laboratory.version(asset))
    laboratory.send(laboratory.version(asset, last))
    before = laboratory.numbers(asset)[-1]
    laboratory.send(laboratory.deleted("AssetVersion", last))
    laboratory.send(laboratory.version(asset))
    after = laboratory.numbers(asset)[-1]
    return "used again" if after == before else "left out"


def _racing(laboratory: Laboratory) -> str:
    """Versions of one asset from several requests at once."""
    asset = laboratory.new_id()
    laboratory.send(laboratory.asset(asset))
    refusals = 0
    with ThreadPoolExecutor(_WRITERS) as pool:
        for _ in range(_ROUNDS):
            batches = [laboratory.version(asset) for _ in range(_WRITERS)]
            refusals += sum(pool.map(laboratory.is_refused, batches))
    return _described(laboratory.numbers(asset), refusals)


def _described(numbers: Sequence[int], refusals: int) -> str:
    facts = list(_facts(numbers, refusals))
    return ", ".join(facts) if facts else "each its own, without gaps"


def _facts(numbers: Sequence[int], refusals: int) -> Iterator[str]:
    if len(set(numbers)) < len(numbers):
        yield "some get the same number"
    if numbers and set(range(1, numbers[-1] + 1)) - set(numbers):
        yield "numbers are left out"
    if refusals:
        yield "some are refused"


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(question="a second create with the same id", run=_second_create, sandbox=_REFUSED, needed=_REFUSED),
    Experiment(question="a batch that fails half-way", run=_failing_batch, sandbox=_NOTHING, needed=_NOTHING),
    Experiment(question="what was just created is found", run=_seen_at_once, sandbox="always", needed="always"),
    Experiment(question="an update of what does not exist", run=_missing_row, sandbox=_REFUSED),
    Experiment(question="a second delete", run=_second_delete, sandbox=_REFUSED),
    Experiment(question="numbers of versions created one by one", run=_numbering, sandbox="1, 2, 3"),
    Experiment(question="numbers of versions created in one batch", run=_numbering_in_a_batch, sandbox="1, 2, 3"),
    Experiment(question="a version number that is taken", run=_number_taken, sandbox=_ACCEPTED),
    Experiment(question="the number of a deleted last version", run=_number_free_again, sandbox="used again"),
    Experiment(
        question="numbers of versions created at the same time", run=_racing, sandbox="each its own, without gaps"
    ),
)
