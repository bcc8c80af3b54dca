"""Creating entities: which type hangs on which parent, what it needs, and how its arguments are turned into data.

Everything is checked before the client's `Session.create` is called: what is to be created is planned, then carried out.
Scalars travel in its create operation, references follow as one update each, the parent last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ftrack_api.symbol

from trackteroid.entities.assignment import client_value
from trackteroid.entities.container import Container
from trackteroid.entities.context import Context, View
from trackteroid.entities.entity import EntityType
from trackteroid.entities.fetching import fetch
from trackteroid.entities.server_setup import entities_by_name, entity_named
from trackteroid.entities.values import NOT_SET, items, read, stored, unique
from trackteroid.errors import UsageError
from trackteroid.relationships import AttributeKind

__all__ = ["Authoring", "authoring_of", "checked_batch", "ensure", "parents", "plan", "single_parent"]

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Authoring:
    """How entities of a type are made.

    Attributes:
        parent: The attribute that refers to the parent; None if the type has none.
        inverses: Attributes of a parent that hold these entities: reached through one of them, the parent is known
            without asking.
        required: Arguments that must be given.
        named: Argument -> type of which the argument may be a name, such as `type="Modeling"`.
        prepare: Fills in what was not given.
    """

    parent: str | None = None
    inverses: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    named: Mapping[str, str] | None = None
    prepare: Callable[[Arguments], None] | None = None


def _unmanaged_location(arguments: Arguments) -> None:
    if arguments.get("location") is None and arguments.get("location_id") is None:
        arguments.pop("location", None)
        arguments["location_id"] = ftrack_api.symbol.UNMANAGED_LOCATION_ID


def _full_name(arguments: Arguments) -> None:
    arguments.setdefault("full_name", arguments["name"])


def _assignment(arguments: Arguments) -> None:
    arguments.setdefault("type", "assignment")


_TABLE: Mapping[str, Authoring] = {
    "Asset": Authoring("parent", ("assets",), ("name", "type"), {"type": "AssetType"}),
    "AssetVersion": Authoring("asset", ("versions",), ("task",)),
    "TypedContext": Authoring("parent", ("children",)),
    "Task": Authoring("parent", ("children",), ("name", "type"), {"type": "Type"}),
    "Project": Authoring(None, (), ("name", "project_schema"), {"project_schema": "ProjectSchema"}, prepare=_full_name),
    "Component": Authoring("version", ("components",)),
    "ComponentLocation": Authoring(
        "component", ("component_locations",), ("resource_identifier",), prepare=_unmanaged_location
    ),
    "Timelog": Authoring("user", ("timelogs",)),
    "Appointment": Authoring("context", ("appointments", "assignments", "allocations"), prepare=_assignment),
    "ReviewSession": Authoring(None, (), ("name", "project")),
    "ReviewSessionObject": Authoring("review_session", ("review_session_objects",)),
    "ReviewSessionInvitee": Authoring("review_session", ("review_session_invitees",)),
    "List": Authoring(None, (), ("project", "category")),
}
_OBJECT_TYPE = Authoring("parent", ("children",), ("name",))
_NO_RULES = Authoring()


def authoring_of(entity_type: EntityType) -> Authoring:
    """Return how entities of a class are made."""
    for base in entity_type.__mro__:
        if base.__name__ in _TABLE:
            found = _TABLE[base.__name__]
            # Every object type needs a name; only "some context" does not, as nobody knows what it will be.
            return _OBJECT_TYPE if base.__name__ == "TypedContext" and base is not entity_type else found
    return _NO_RULES


def parents(view: View, entities: Sequence[Any], relation: str | None = None) -> list[Any]:
    """Return the parents of entities, each once: those loaded, else those they were reached from, else fetched ones."""
    authoring = authoring_of(view.entity_type)
    name = relation or authoring.parent
    if name is None or name not in view.attributes:
        return []
    if any(stored(entity, name) is NOT_SET for entity in entities):
        origin = view.origin
        target = view.attributes[name].target
        if (
            origin is not None
            and relation is None
            and origin.attribute in authoring.inverses
            and len(origin.owner.client_entities) == 1
            and target is not None
            and view.context.index.is_subtype(origin.owner.client_entities[0].entity_type, target)
        ):
            return list(origin.owner.client_entities)
        fetch(view.context, view.entity_type, entities, [[name]])
    return list(unique(parent for entity in entities for parent in items(read(entity, name))).values())


def single_parent(entity_type: EntityType, found: Sequence[Any]) -> Any:
    """Return the one parent.

    Raises:
        UsageError: There is none, or there are several.
    """
    if len(found) != 1:
        raise UsageError(
            f"Ambiguous context: a new {entity_type.__name__} needs exactly one parent, here are {len(found)}."
        )
    return found[0]


def plan(
    context: Context,
    entity_type: EntityType,
    arguments: Mapping[str, Any],
    find_parents: Callable[[], Sequence[Any]] | None,
    relation: str | None = None,
) -> Callable[[], Any]:
    """Check what is to be created and return the function that creates it and returns the client's entity.

    Args:
        context: The session and schemas.
        entity_type: The class of the new entity.
        arguments: Attribute -> value.
        find_parents: Returns the candidates for its parent; None: it gets no parent.
        relation: The attribute that refers to the parent, if not the type's usual one.

    Raises:
        UsageError: An argument is missing or cannot be used, or the parent is not exactly one.
        EntityCollectionOperationError: An argument belongs to another session, or the session was reconnected.
    """
    data = _data(context, entity_type, arguments, find_parents, relation)
    return lambda: context.session.create(entity_type.__name__, data)


def checked_batch(batch: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
    """Return the arguments to `create_batch` as they were given.

    Raises:
        TypeError: One of them is no dictionary.
    """
    for arguments in batch:
        if not isinstance(arguments, Mapping):
            raise TypeError(
                f"create_batch takes dictionaries of arguments to create, one by one, not {arguments!r}: write (*batch)"
            )
    return batch


def ensure(
    context: Context,
    entity_type: EntityType,
    arguments: Mapping[str, Any],
    find_parents: Callable[[], Sequence[Any]] | None,
    relation: str | None = None,
    identified_by: Sequence[str] = (),
) -> Any:
    """Return the one entity that is there already, or create it; the client's.

    Args:
        context, entity_type, arguments, find_parents, relation: As for `plan`.
        identified_by: The arguments by which it is recognised, besides its parent; default: its name, or all arguments if it has
            none.

    Raises:
        UsageError: As for `plan`; or an argument to recognise it by is missing.
        EntityCollectionOperationError: As for `plan`.
        ftrack_api.exception.MultipleResultsFoundError: Several fit.
    """
    from trackteroid.operations.ensuring import get_or_create

    data = _data(context, entity_type, arguments, find_parents, relation)
    parent = relation or authoring_of(entity_type).parent
    identified_by = [identified_by] if isinstance(identified_by, str) else list(identified_by)
    names = identified_by or (["name"] if "name" in data else [name for name in data if name in arguments])
    missing = [name for name in names if name not in data]
    if missing:
        raise UsageError(f"{entity_type.__name__}.ensure: the argument {missing[0]!r} is missing.")
    own = [name for name in (parent, f"{parent}_id") if name in data]
    return get_or_create(context.session, entity_type.__name__, data, [*names, *own])


def _data(
    context: Context,
    entity_type: EntityType,
    arguments: Mapping[str, Any],
    find_parents: Callable[[], Sequence[Any]] | None,
    relation: str | None,
) -> dict[str, Any]:
    """Return what the client's `Session.create` takes."""
    context.check_usable(f"create {entity_type.__name__}")
    authoring = authoring_of(entity_type)
    schema = context.index.types.get(entity_type.__name__)
    if schema is None:
        raise UsageError(f"The server has no type {entity_type.__name__}.")
    if relation is not None:
        _check_relation(context, entity_type, relation)
    given = dict(arguments)
    for name in authoring.required:
        if given.get(name) is None or (isinstance(given[name], Container) and not given[name].client_entities):
            raise UsageError(f"{entity_type.__name__}.create: the argument {name!r} is missing.")
    for name, type_name in (authoring.named or {}).items():
        if isinstance(given.get(name), str):
            given[name] = _named(context, entity_type, name, type_name, given[name])
    if authoring.prepare is not None:
        authoring.prepare(given)
    data = {name: _argument(context, entity_type, name, value) for name, value in given.items()}
    parent = relation or authoring.parent
    if (
        find_parents is not None
        and parent is not None
        and parent in schema.attributes
        and not {parent, f"{parent}_id"} & data.keys()
    ):
        found = single_parent(entity_type, find_parents())
        data[parent] = _argument(context, entity_type, parent, found)
    return data


def _check_relation(context: Context, entity_type: EntityType, relation: str) -> None:
    attribute = context.index.attribute(entity_type.__name__, relation)
    if attribute is None or attribute.kind is not AttributeKind.REFERENCE:
        raise UsageError(
            f"{entity_type.__name__}.create: parent_relation={relation!r} is no attribute that could refer to a parent."
        )


def _argument(context: Context, entity_type: EntityType, name: str, value: Any) -> Any:
    where = f"{entity_type.__name__}.create"
    attribute = context.index.attribute(entity_type.__name__, name)
    if attribute is None or attribute.restricted:
        raise UsageError(f"{where}: {entity_type.__name__} has no attribute {name!r}.")
    if attribute.kind is AttributeKind.REFERENCE and isinstance(value, Container) and len(value.client_entities) != 1:
        raise UsageError(f"{where}: the argument {name!r} takes exactly one {attribute.target}, not {value!r}.")
    try:
        return client_value(context, entity_type.__name__, attribute, value)
    except TypeError as error:
        raise UsageError(f"{where}: the argument {name!r} cannot be used: {error}") from error


def _named(context: Context, entity_type: EntityType, name: str, type_name: str, value: str) -> Any:
    """Return the entity of a type by its name, exact or in CamelCase."""
    found = entity_named(context.session, type_name, value)
    if found is None:
        known = entities_by_name(context.session, type_name)
        raise UsageError(
            f"{entity_type.__name__}.create: there is no {type_name} {value!r} for the argument {name!r}; there are "
            f"{', '.join(sorted(known))}."
        )
    return found
