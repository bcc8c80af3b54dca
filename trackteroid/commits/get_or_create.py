"""Get or create: what a recording ensures (`manifest.Ensure`) is looked up when it is committed, and used if it is there.

A recording creates what it ensures under an id of its own. If the server has such an entity under another id, that one takes
its place everywhere: in the operations, and in those of recordings that were made later and refer to it. The ledger remembers
which id stands for which, and lets commits that ensure the same entity go one at a time. Deciding is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trackteroid.commits.order import may_stand_for_another, order_of
from trackteroid.commits.questions import Ask
from trackteroid.errors import RecordingFormatError, RecordingRefusedError
from trackteroid.operations.effects import Identity, identity_of, references_in
from trackteroid.operations.manifest import Delta, Ensure, Manifest, condition
from trackteroid.operations.operation import (
    JSON,
    NOT_SET,
    CreateOperation,
    DeleteOperation,
    Operation,
    UpdateOperation,
    key_text,
    parse_key_text,
)
from trackteroid.operations.recording import Recording

__all__ = ["Decision", "decide", "decide_together", "substituted"]

# Rows of composite keys that one query asks for.
_CHUNK = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What became of what a recording ensures.

    Attributes:
        recording: As it is to be committed.
        stands_for: Id in the recording to the id of the entity that was there under another one.
        replaced: The same of all ids that were replaced: of what earlier commits found and what the others of a batch find, too.
        found: Ids in the recording of entities that were there.
        wanted: Ids of all that it ensures.
    """

    recording: Recording
    stands_for: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    found: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Wanted:
    entity_type: str
    key: str
    ensure: Ensure


def decide_together(
    recordings: Sequence[Recording], ask: Ask, stand_ins: Callable[[Sequence[str]], Mapping[str, str]]
) -> list[Decision]:
    """Decide for recordings that are committed as one batch: what one of them finds, the others mean too.

    Args:
        recordings: What was recorded.
        ask: Sends queries.
        stand_ins: Returns which of these ids stand for another entity, as earlier commits have found.

    Raises:
        As `decide`.
    """
    decisions = []
    for recording in recordings:
        ids = [name for name in order_of(recording).needed if may_stand_for_another(name)]
        known = stand_ins(ids) if ids else {}
        decision = decide(substituted(recording, known), ask)
        decisions.append(replace(decision, replaced={**known, **decision.stands_for}))
    if len(decisions) > 1:
        together = {key: other for decision in decisions for key, other in decision.stands_for.items()}
        decisions = [
            replace(each, recording=substituted(each.recording, together), replaced={**each.replaced, **together})
            for each in decisions
        ]
        decisions = list(_ensured_once(decisions))
    return decisions


def _ensured_once(decisions: Iterable[Decision]) -> Iterator[Decision]:
    """Let the first one create what none has found and several ensure: the others find it, as if they were committed after it."""
    made: set[Identity] = set()
    for decision in decisions:
        recording = decision.recording
        wanted = {each.key: each for each in _wanted(recording.manifest)}
        again = {key: key for key, each in wanted.items() if (each.entity_type, (key,)) in made}
        if again:
            rows = {identity for identity in made if len(identity[1]) > 1}
            recording = replace(recording, operations=tuple(_updated(_used(recording, wanted, again), rows)))
        made.update(
            identity_of(operation) for operation in recording.operations if isinstance(operation, CreateOperation)
        )
        yield replace(decision, recording=recording)


def decide(recording: Recording, ask: Ask) -> Decision:
    """Look up what a recording ensures; one round of queries for each level of what belongs to what.

    Args:
        recording: What was recorded; ids of other recordings are substituted already.
        ask: Sends queries.

    Raises:
        RecordingFormatError: What it says about what it ensures makes no sense.
        RecordingRefusedError: Several entities have the identifying values of one.
        ServerCallError: The server did not say.
    """
    wanted = {each.key: each for each in _wanted(recording.manifest)}
    if not wanted:
        return Decision(recording=recording)
    found: dict[str, str] = {}
    missing: set[str] = set()
    left = dict(wanted)
    while left:
        needs = {key: [other for other in _ids_in(each.ensure.by) if other in wanted] for key, each in left.items()}
        for key, others in needs.items():
            if any(other in missing for other in others):
                # What belongs to something new cannot be there.
                missing.add(key)
        ready = [key for key in left if key not in missing and all(other in found for other in needs[key])]
        if not ready and not missing.intersection(left):
            raise RecordingFormatError(f"What the recording ensures refers to itself: {', '.join(left)}.")
        for key, rows in zip(ready, ask([_question(left[key], found) for key in ready]) if ready else (), strict=True):
            ids = [str(row["id"]) for row in rows]
            if len(ids) > 1 and key not in ids:
                raise RecordingRefusedError(
                    f"Get or create of {left[key].entity_type} is ambiguous: {', '.join(ids)} have {dict(left[key].ensure.by)}. "
                    "Merge or rename them, then retry this commit."
                )
            if ids:
                found[key] = key if key in ids else ids[0]
            else:
                missing.add(key)
        left = {key: each for key, each in left.items() if key not in found and key not in missing}
    stands_for = {key: other for key, other in found.items() if key != other}
    changed = substituted(replace(recording, operations=tuple(_used(recording, wanted, found))), stands_for)
    return Decision(
        recording=_with_rows(changed, set(found.values()), ask),
        stands_for=stands_for,
        found=frozenset(found),
        wanted=frozenset(wanted),
    )


def substituted(recording: Recording, stands_for: Mapping[str, str]) -> Recording:
    """Return the recording with ids replaced by those of the entities that they stand for. Linear in the operations."""
    if not stands_for:
        return recording

    def other(value: JSON) -> JSON:
        if isinstance(value, str):
            return stands_for.get(value, value)
        if isinstance(value, Mapping):
            return {name: other(item) for name, item in value.items()}
        if isinstance(value, list):
            return [other(item) for item in value]
        return value

    def text(entity: str) -> str:
        parsed = parse_key_text(entity)
        return entity if parsed is None else key_text(parsed[0], [stands_for.get(part, part) for part in parsed[1]])

    def operation(one: Operation) -> Operation:
        if isinstance(one, CreateOperation):
            return replace(one, entity_key=other(one.entity_key), entity_data=other(one.entity_data))
        if isinstance(one, UpdateOperation):
            return replace(
                one, entity_key=other(one.entity_key), old_value=other(one.old_value), new_value=other(one.new_value)
            )
        return replace(one, entity_key=other(one.entity_key))

    def delta(one: Delta) -> Delta:
        return replace(
            one, entity=text(one.entity), added=tuple(map(text, one.added)), removed=tuple(map(text, one.removed))
        )

    manifest = recording.manifest
    if manifest is not None:
        manifest = replace(
            manifest,
            bases=tuple(
                replace(base, entity=text(base.entity), value=other(base.value), also=tuple(map(other, base.also)))
                for base in manifest.bases
            ),
            deltas=tuple(map(delta, manifest.deltas)),
            recorded_before=tuple(map(text, manifest.recorded_before)),
            ensures=tuple(replace(each, by=other(each.by)) for each in manifest.ensures),
        )
    return replace(recording, operations=tuple(map(operation, recording.operations)), manifest=manifest)


def _wanted(manifest: Manifest | None) -> Iterator[_Wanted]:
    for ensure in () if manifest is None else manifest.ensures:
        parsed = parse_key_text(ensure.entity)
        if parsed is None or len(parsed[1]) != 1:
            raise RecordingFormatError(f"The recording ensures {ensure.entity!r:.100}, which stands for no entity.")
        yield _Wanted(parsed[0], parsed[1][0], ensure)


def _ids_in(by: Mapping[str, JSON]) -> Iterator[str]:
    for value in by.values():
        if isinstance(value, str):
            yield value
        else:
            yield from (part for (_, key), _ in references_in(value) for part in key)


def _question(wanted: _Wanted, found: Mapping[str, str]) -> str:
    def known(value: JSON) -> JSON:
        if isinstance(value, Mapping):
            return {name: known(part) for name, part in value.items()}
        return found.get(value, value) if isinstance(value, str) else value

    conditions = " and ".join(condition(name, known(value)) for name, value in wanted.ensure.by.items())
    return f"select id from {wanted.entity_type} where {conditions}"


def _used(
    recording: Recording, wanted: Mapping[str, _Wanted], found: Mapping[str, str]
) -> Iterator[CreateOperation | UpdateOperation | DeleteOperation]:
    """Yield the operations with creates of what was found turned into updates of what the call gave besides."""
    for operation in recording.operations:
        values = tuple(operation.entity_key.values())
        key = values[0] if len(values) == 1 and values[0] in found else None
        if key is None or wanted[key].entity_type != operation.entity_type:
            yield operation
            continue
        ensure = wanted[key].ensure
        if isinstance(operation, CreateOperation):
            for name in ensure.given:
                if name in operation.entity_data:
                    yield UpdateOperation(
                        entity_type=operation.entity_type,
                        entity_key=operation.entity_key,
                        attribute_name=name,
                        old_value=NOT_SET,
                        new_value=operation.entity_data[name],
                    )
        elif isinstance(operation, UpdateOperation) and operation.attribute_name in ensure.by:
            if operation.new_value != ensure.by[operation.attribute_name]:
                yield operation
        else:
            yield operation


def _with_rows(recording: Recording, entities: set[str], ask: Ask) -> Recording:
    """Turn creates of rows that belong to an entity that was found (its metadata, for example) into updates of those it has."""
    rows: dict[tuple[str, tuple[str, ...]], list[tuple[str, ...]]] = {}
    for operation in recording.operations:
        if isinstance(operation, CreateOperation) and len(operation.entity_key) > 1:
            if entities.intersection(operation.entity_key.values()):
                names = tuple(operation.entity_key)
                rows.setdefault((operation.entity_type, names), []).append(tuple(operation.entity_key.values()))
    questions = [
        (entity_type, names, f"select {', '.join(names)} from {entity_type} where {_any_of(names, chunk)}")
        for (entity_type, names), keys in rows.items()
        for chunk in (keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK))
    ]
    if not questions:
        return recording
    there = {
        (entity_type, tuple(str(row[name]) for name in names))
        for (entity_type, names, _), answer in zip(questions, ask([text for *_, text in questions]), strict=True)
        for row in answer
    }
    return replace(recording, operations=tuple(_updated(recording.operations, there)))


def _any_of(names: Sequence[str], keys: Iterable[Sequence[str]]) -> str:
    return " or ".join(
        f"({' and '.join(condition(name, part) for name, part in zip(names, key, strict=True))})" for key in keys
    )


def _updated(operations: Iterable[Operation], there: set[tuple[str, tuple[str, ...]]]) -> Iterator[Operation]:
    for operation in operations:
        if (
            not isinstance(operation, CreateOperation)
            or (operation.entity_type, tuple(operation.entity_key.values())) not in there
        ):
            yield operation
            continue
        for name, value in operation.entity_data.items():
            # What a row belongs to is part of what it is.
            if name not in operation.entity_key and not name.startswith("parent_"):
                yield UpdateOperation(
                    entity_type=operation.entity_type,
                    entity_key=operation.entity_key,
                    attribute_name=name,
                    old_value=NOT_SET,
                    new_value=value,
                )
