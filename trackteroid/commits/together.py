"""Several recordings as one batch, because they need each other, and what each of them gets of its result. Pure.

Alone, none of them could be committed (design section 5, "Order"). One batch is applied as a whole, but in its order: what is
created goes before what refers to it, whichever recording it comes from. Where even single entities need each other, one of the
references is written after both are there.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from trackteroid.commits.batch import Payload
from trackteroid.commits.members import Deltas
from trackteroid.commits.order import column, entities_in, entity_name
from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.result import CommitResult
from trackteroid.operations.appending import on_top_of
from trackteroid.operations.effects import Identity, identity_of, references_in
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import (
    JSON,
    NOT_SET,
    CreateOperation,
    DeleteOperation,
    Operation,
    UpdateOperation,
    parse_key_text,
)
from trackteroid.operations.recording import Recording

__all__ = ["Part", "collections_joined", "created_once", "creates_first", "overtaken_in_all", "result_of_part"]

#: Entity type, key and attribute.
_Slot: TypeAlias = "tuple[str, tuple[str, ...], str]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One of the recordings that a batch is made of; most batches have one.

    Attributes:
        recording: What was recorded.
        overtaken: (entity, attribute) as the ledger names them whose later value is there; not to be written any more.
        release: What the release of a held recording added to it.
    """

    recording: Recording
    overtaken: frozenset[tuple[str, str]] = frozenset()
    release: ReleaseFacts | None = None

    def settled(self, recording: Recording, replaced: Mapping[str, str]) -> Part:
        """Return the part with ids of the recording replaced by those of the entities that were found in their place.

        Args:
            recording: With those replaced.
            replaced: Id to the id that is there instead.
        """
        # The ledger knows what is overtaken by the names that were recorded.
        overtaken = frozenset(
            (entity_name(replaced.get(each, each) for each in name.split("/")), attribute)
            for name, attribute in self.overtaken
        )
        return replace(self, recording=recording, overtaken=overtaken)


def overtaken_in_all(parts: Sequence[Part]) -> frozenset[tuple[str, str]]:
    """Return what no part may write: a value that is overtaken in one recording may be the latest in another."""
    late = frozenset(pair for part in parts for pair in part.overtaken)
    if not late or len(parts) == 1:
        return late
    latest = {
        pair
        for part in parts
        for operation in part.recording.operations
        if isinstance(operation, UpdateOperation) and (pair := _written(operation)) not in part.overtaken
    }
    return late - latest


def collections_joined(
    parts: Sequence[tuple[Sequence[Operation], Iterable[Delta]]],
) -> tuple[list[Operation], Deltas]:
    """Return the operations of all parts, in order, and what they do to collections.

    Of several updates of one collection a batch keeps the last, so that one stands for all: its members are those that any of
    them adds, and its change is the changes one after the other. An update of which nothing tells what it changes (from a file
    of the original library) replaces the collection, and whatever earlier ones made of it.

    Args:
        parts: Of each its operations, with textual references resolved, and what its manifest says about collections.
    """
    if len(parts) == 1:
        return list(parts[0][0]), _by_slot(parts[0][1])
    joined: list[Operation] = []
    known: dict[_Slot, Delta] = {}
    written: dict[_Slot, JSON] = {}
    for operations, deltas in parts:
        own = _by_slot(deltas)
        last: dict[_Slot, JSON] = {}
        for operation in operations:
            if isinstance(operation, UpdateOperation):
                slot = (*identity_of(operation), operation.attribute_name)
                if slot in own and isinstance(written.get(slot), list):
                    operation = on_top_of(written[slot], _baseline(written[slot], operation, own[slot]), operation)
                last[slot] = operation.new_value
            joined.append(operation)
        for slot, delta in own.items():
            if slot in known:
                known[slot] = _one_after_the_other(known[slot], delta)
            elif slot not in written:
                known[slot] = delta
        for slot in last:
            if slot not in own:
                known.pop(slot, None)
        written.update(last)
    return joined, known


def created_once(operations: Iterable[Operation]) -> list[Operation]:
    """Return operations of which each entity is created once, with the last values that any of them gives it. Linear.

    Only what directly follows a create becomes part of it (`batch`), and of several updates the last stays, at its own place. So
    a value that another recording gives anew would be taken out of the create, and servers want some of them there. It takes the
    place of the first one instead. A second create, of a recording that holds the operations of the other one as well, adds what
    the first one has not said.

    Args:
        operations: Of all parts; the batch of what is returned needs `creates_first`.
    """
    joined: list[Operation] = []
    # Created entity to attribute to the place of its update; None: it is in the create.
    told: dict[Identity, dict[str, int | None]] = {}
    for operation in operations:
        known = told.get(identity_of(operation))
        if known is None and isinstance(operation, CreateOperation):
            told[identity_of(operation)] = dict.fromkeys(operation.entity_data)
        if known is None or isinstance(operation, DeleteOperation):
            joined.append(operation)
            continue
        for update in _news(operation, known):
            place = known.get(update.attribute_name)
            if place is None:
                known[update.attribute_name] = len(joined)
                joined.append(update)
            else:
                joined[place] = update
    return joined


def _news(operation: CreateOperation | UpdateOperation, known: Container[str]) -> Iterator[UpdateOperation]:
    if isinstance(operation, UpdateOperation):
        yield operation
        return
    for name, value in operation.entity_data.items():
        if name not in known:
            yield UpdateOperation(
                entity_type=operation.entity_type,
                entity_key=operation.entity_key,
                attribute_name=name,
                old_value=NOT_SET,
                new_value=value,
            )


def _by_slot(deltas: Iterable[Delta]) -> dict[_Slot, Delta]:
    keys = ((parse_key_text(delta.entity), delta) for delta in deltas)
    return {(*key, delta.attribute): delta for key, delta in keys if key is not None}


def _baseline(members: JSON, operation: UpdateOperation, delta: Delta) -> Iterator[Identity]:
    """Yield what a collection held before an update, as far as it matters to what another one made of it."""
    added, removed = (
        {key[1] for key in map(parse_key_text, texts) if key is not None} for texts in (delta.added, delta.removed)
    )
    yield from (member for member, _ in references_in(operation.new_value) if member[1] not in added)
    yield from (member for member, _ in references_in(members) if member[1] in removed)


def _one_after_the_other(earlier: Delta, later: Delta) -> Delta:
    # They were recorded without knowing of each other: what one adds and the other removes may be there or not, so the last word
    # counts. (Within one session they would cancel out, see `appending`.)
    return replace(
        later,
        added=tuple(dict.fromkeys([*(key for key in earlier.added if key not in set(later.removed)), *later.added])),
        removed=tuple(
            dict.fromkeys([*(key for key in earlier.removed if key not in set(later.added)), *later.removed])
        ),
    )


def creates_first(batch: Sequence[Payload]) -> list[Payload]:
    """Return a batch in which what is created goes before what refers to it or changes it; everything else keeps its order.

    Linear.

    Args:
        batch: Payloads of all parts.
    """
    creates = {_name(payload): payload for payload in batch if payload["action"] == "create"}
    ordered: list[Payload] = []
    begun: set[str] = set()
    for payload in batch:
        needed = [_name(payload)]
        if payload["action"] != "create":
            needed += [name for _, name in _references(payload)]
        for name in needed:
            if name in creates and name not in begun:
                begun.add(name)
                ordered.extend(_with_needs(creates[name], creates, begun))
        if payload["action"] != "create":
            ordered.append(payload)
    return ordered


def _with_needs(root: Payload, creates: Mapping[str, Payload], begun: set[str]) -> Iterator[Payload]:
    open_names = {_name(root)}
    stack: list[tuple[Payload, Iterator[tuple[str, str]], set[str]]] = [(root, _references(root), set())]
    later: list[Payload] = []
    while stack:
        payload, references, cut = stack[-1]
        for attribute, name in references:
            if name in open_names and name != _name(payload):
                # Each needs the other: this reference is written when both are there.
                cut.add(attribute)
            elif name in creates and name not in begun:
                begun.add(name)
                open_names.add(name)
                stack.append((creates[name], _references(creates[name]), set()))
                break
        else:
            stack.pop()
            open_names.discard(_name(payload))
            if cut:
                data = payload["entity_data"]
                later.append(
                    {
                        **payload,
                        "action": "update",
                        "entity_data": {
                            "__entity_type__": payload["entity_type"],
                            **{attribute: data[attribute] for attribute in data if attribute in cut},
                        },
                    }
                )
                payload = {**payload, "entity_data": {name: data[name] for name in data if name not in cut}}
            yield payload
    yield from later


def result_of_part(result: CommitResult, part: Part, others: Sequence[str]) -> CommitResult:
    """Return what one part gets of the result of a batch.

    Args:
        result: Of the batch.
        part: The recording.
        others: Ids of the commits of the other parts.
    """
    if not others:
        return result
    created = {
        (operation.entity_type, entity_name(operation.entity_key.values()))
        for operation in part.recording.operations
        if isinstance(operation, CreateOperation)
    }
    written = {_written(operation) for operation in part.recording.operations if isinstance(operation, UpdateOperation)}
    skipped = tuple(each for each in result.skipped if (each.key, column(each.attribute)) in written)
    texts = {each.text for each in result.skipped} - {each.text for each in skipped}
    return replace(
        result,
        created={
            kind: kept
            for kind, names in result.created.items()
            if (kept := [name for name in names if (kind, name) in created])
        },
        versions={key: number for key, number in result.versions.items() if ("AssetVersion", key) in created},
        skipped=skipped,
        notes=(
            *(note for note in result.notes if note not in texts),
            f"Committed in one batch with {', '.join(others)}, as they need each other.",
        ),
    )


def _written(operation: UpdateOperation) -> tuple[str, str]:
    return entity_name(operation.entity_key.values()), column(operation.attribute_name)


def _name(payload: Mapping[str, Any]) -> str:
    return entity_name(map(str, payload["entity_key"]))


def _references(payload: Payload) -> Iterator[tuple[str, str]]:
    own = _name(payload)
    for attribute, value in payload.get("entity_data", {}).items():
        for name in entities_in(attribute, value):
            if name != own:
                yield attribute, name
