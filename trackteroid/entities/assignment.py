"""Assigning to attributes of collections: everything is checked, then everything is recorded, or nothing.

What is recorded are the official client's update operations; nothing is sent before a commit.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import arrow
import ftrack_api.exception

from trackteroid.entities.container import Container
from trackteroid.entities.context import Context, View
from trackteroid.entities.entity import Entity
from trackteroid.entities.fetching import fetch
from trackteroid.entities.server_setup import AttributeInfo, custom_attributes
from trackteroid.entities.values import NOT_SET, is_new, stored
from trackteroid.errors import EntityCollectionOperationError
from trackteroid.relationships import Attribute, AttributeKind

__all__ = ["assign", "assign_custom", "client_value"]

CUSTOM_ATTRIBUTES = "custom_attributes"

_DATES = (datetime.datetime, datetime.date, arrow.Arrow, str)

#: What a scalar attribute of each schema type takes. A bool is no int, although Python thinks so.
_SCALARS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "str"),
    "integer": ((int,), "int"),
    "number": ((int, float), "float"),
    "boolean": ((bool,), "bool"),
    "date-time": (_DATES, "datetime"),
}


def assign(view: View, entities: Sequence[Any], attribute: Attribute, value: Any) -> None:
    """Record an attribute's new value, or one value for each of several entities.

    Raises:
        TypeError: The type of a value is wrong, or there are not as many values as entities.
        EntityCollectionOperationError: A value belongs to another session, or the entities to an earlier connection.
        ftrack_api.exception.ImmutableAttributeError: The attribute cannot be changed.
    """
    context = view.context
    context.check_usable(f"assign {attribute.name!r}")
    values = _per_entity(attribute, len(entities), value)
    checked = [client_value(context, view.entity_type.__name__, attribute, one) for one in values]
    if attribute.immutable:
        _check_immutable(entities, attribute.name)
    if attribute.name == CUSTOM_ATTRIBUTES:
        _assign_customs(view, entities, checked)
        return
    if attribute.kind is AttributeKind.MAPPED:
        fetch(context, view.entity_type, entities, [[attribute.name, "value"]])
        for entity, dictionary in zip(entities, checked, strict=True):
            _merge_mapping(entity, attribute.name, dictionary)
        return
    for entity, one in zip(entities, checked, strict=True):
        entity[attribute.name] = one


def client_value(context: Context, owner: str, attribute: Attribute, value: Any) -> Any:
    """Return a value as the official client takes it for an attribute.

    Args:
        context: What the receiving entities belong to.
        owner: The name of the receiving type, for messages.
        attribute: The receiving attribute.
        value: A scalar, a collection, a dictionary (mapped attributes), or None to clear.

    Raises:
        TypeError: It is of the wrong type.
        EntityCollectionOperationError: It is a collection of another session.
    """
    where = f"{owner}.{attribute.name}"
    if attribute.kind is AttributeKind.SCALAR:
        return _scalar(where, attribute, value)
    if attribute.kind is AttributeKind.MAPPED:
        if not isinstance(value, Mapping):
            raise TypeError(f"{where} takes a dict, not {_kind(value)}.")
        return dict(value)
    if attribute.kind is AttributeKind.ARRAY:
        return _several(context, where, attribute, value)
    if value is None:
        return None
    found = _entities_of(context, where, attribute, value)
    if len(found) > 1:
        raise TypeError(f"{where} takes one {attribute.target}, not {len(found)}.")
    return found[0] if found else None


def assign_custom(view: View, entities: Sequence[Any], key: str, value: Any) -> None:
    """Record new values of a custom attribute.

    Raises:
        TypeError: The type of a value is wrong, or there are not as many values as entities.
        AttributeError: The entities have no such custom attribute.
        EntityCollectionOperationError: The server computes this attribute.
    """
    view.context.check_usable(f"assign custom attribute {key!r}")
    info = custom_attributes(view.context.session).get(key)
    if info is not None and info.array and len(entities) == 1 and isinstance(value, (list, tuple)):
        # The several words of one enumerator; a list around them, as reading gives it, is no part of the value.
        nested = len(value) == 1 and isinstance(value[0], (list, tuple))
        values = [list(value[0] if nested else value)]
    else:
        values = _in_step(f"custom_{key}", len(entities), value)
        if info is None or not info.array:
            values = [_unwrapped(one) for one in values]
    _assign_customs(view, entities, [{key: one} for one in values])


def _assign_customs(view: View, entities: Sequence[Any], dictionaries: Sequence[Mapping[str, Any]]) -> None:
    """Record new values of custom attributes, one dictionary for each entity."""
    context = view.context
    type_name = view.entity_type.__name__
    infos = custom_attributes(context.session)
    for dictionary in dictionaries:
        for key, one in dictionary.items():
            if key in infos:
                _check_custom(f"{type_name}.custom_{key}", infos[key], one)
    fetch(context, view.entity_type, entities, [[CUSTOM_ATTRIBUTES, "value"]])
    # The server has a row for every custom attribute of an entity it knows; the client makes rows only for new entities.
    for entity, dictionary in zip(entities, dictionaries, strict=True):
        unknown = () if is_new(entity) else dictionary.keys() - entity[CUSTOM_ATTRIBUTES].keys()
        for key in unknown:
            raise AttributeError(f"{type_name} has no custom attribute {key!r}.")
    for entity, dictionary in zip(entities, dictionaries, strict=True):
        # What the client might refuse comes first, when nothing is recorded yet.
        ordered = dict(sorted(dictionary.items(), key=lambda item: item[0] in infos))
        try:
            _merge_mapping(entity, CUSTOM_ATTRIBUTES, ordered)
        except (KeyError, ValueError) as error:
            raise AttributeError(f"{type_name} has no such custom attributes: {error.args[0]}") from error


def _per_entity(attribute: Attribute, count: int, value: Any) -> list[Any]:
    """Return one value for each of `count` entities."""
    if attribute.kind is AttributeKind.SCALAR:
        return [_unwrapped(one) for one in _in_step(attribute.name, count, value)]
    if attribute.kind is AttributeKind.REFERENCE and isinstance(value, Container):
        if count == 1:
            return [value]
        _check_length(attribute.name, count, len(value.client_entities))
        return list(value.client_entities)
    if attribute.kind is AttributeKind.ARRAY:
        return [value] if count == 1 else _in_step(attribute.name, count, value)
    if count == 1:
        return [_unwrapped(value)]
    return [_unwrapped(one) for one in _in_step(attribute.name, count, value)]


def _unwrapped(value: Any) -> Any:
    """Return the value in a list of one: reading an attribute of a single entity gives such lists."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _in_step(name: str, count: int, value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        _check_length(name, count, len(value))
        return list(value)
    if count > 1:
        raise TypeError(
            f"{name} of {count} entities takes a list of {count} values, not {_kind(value)}; use apply() to set the "
            f"same value on all."
        )
    return [value]


def _check_length(name: str, count: int, given: int) -> None:
    if count != given:
        raise TypeError(f"{name}: lengths differ, {given} values for {count} entities.")


def _scalar(where: str, attribute: Attribute, value: Any) -> Any:
    if value is None or value is NOT_SET or attribute.data_type not in _SCALARS:
        return value
    accepted, expected = _SCALARS[attribute.data_type]
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        raise TypeError(f"{where} takes {expected}, not {_kind(value)}.")
    if attribute.data_type == "date-time" and isinstance(value, str):
        try:
            arrow.get(value)
        except ValueError:
            raise TypeError(
                f"{where} takes a datetime, or a text in ISO format such as '2026-01-31T18:00:00', not {value!r}."
            ) from None
    return value


def _check_custom(where: str, info: AttributeInfo, value: Any) -> None:
    if not info.mutable:
        raise EntityCollectionOperationError(f"{where} cannot be assigned: the server computes it.")
    parts = value if info.array and isinstance(value, (list, tuple)) else [value]
    for part in parts:
        fits = isinstance(part, info.types) and not (isinstance(part, bool) and bool not in info.types)
        if not fits and part is not None:
            expected = " or ".join(kind.__name__ for kind in info.types)
            raise TypeError(f"{where} takes {expected}, not {_kind(part)}.")


def _several(context: Context, where: str, attribute: Attribute, value: Any) -> list[Any]:
    if value is None:
        return []
    elements = [value] if isinstance(value, (Container, Entity)) else value
    if not isinstance(elements, (list, tuple)):
        raise TypeError(f"{where} takes a collection of {attribute.target}, not {_kind(value)}.")
    found = [entity for element in elements for entity in _entities_of(context, where, attribute, element)]
    # The client refuses duplicates half-way, when some operations are already recorded.
    return list({id(entity): entity for entity in found}.values())


def _entities_of(context: Context, where: str, attribute: Attribute, value: Any) -> list[Any]:
    """Return the client's entities in a value for a reference or an array."""
    if isinstance(value, Container):
        context.check_same(value.container_context, f"assign to {where}")
        found = list(value.client_entities)
    elif isinstance(value, Entity):
        found = [value.ftrack_entity]
    elif hasattr(value, "primary_key_attributes"):
        found = [value]
    else:
        raise TypeError(f"{where} takes a collection of {attribute.target}, not {_kind(value)}.")
    for entity in found:
        if entity.session is not context.session:
            raise EntityCollectionOperationError(f"Cannot assign to {where}: the value belongs to another session.")
        if attribute.target is not None and not context.index.is_subtype(entity.entity_type, attribute.target):
            raise TypeError(f"{where} takes {attribute.target}, not {entity.entity_type}.")
    return found


def _check_immutable(entities: Sequence[Any], name: str) -> None:
    for entity in entities:
        if stored(entity, name) is not NOT_SET:
            raise ftrack_api.exception.ImmutableAttributeError(entity.attributes.get(name))


def _merge_mapping(entity: Any, name: str, dictionary: Mapping[str, Any]) -> None:
    proxy = entity[name]
    if not dictionary:
        for key in list(proxy.keys()):
            del proxy[key]
    for key, value in dictionary.items():
        proxy[key] = value


def _kind(value: Any) -> str:
    return repr(value) if isinstance(value, Container) else type(value).__name__
