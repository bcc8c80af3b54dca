"""What a server is set up with: the entities of small tables by name, and what custom attributes take.

Each is asked for once per connection of a session, when it is first needed, and kept with the session, which forgets it
on `reconnect`, `reset` and `close`. Nothing is logged: these are no queries of the user's.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import arrow

from trackteroid.entities.values import items, read

__all__ = ["AttributeInfo", "camel_case", "custom_attributes", "entities_by_name", "entity_named", "look_up"]

_CUSTOM = "CustomAttributeConfiguration"


def camel_case(text: str) -> str:
    """Return words capitalised and joined: `Look Dev` -> `LookDev`; digits and existing capitals stay."""
    return "".join(word[:1].upper() + word[1:] for word in text.split())


def entities_by_name(session: Any, type_name: str) -> Mapping[str, Any]:
    """Return name -> the client's entity, for all entities of a type that has a `name`."""
    known: Mapping[str, Any] | None = session.remembered.get(type_name)
    if known is None:
        by_name: dict[str, Any] = {}
        for row in session.fetch_entities(f"select id, name from {type_name}"):
            by_name.setdefault(str(read(row, "name")), row)
        known = session.remembered[type_name] = MappingProxyType(by_name)
    return known


def look_up(known: Mapping[str, Any], name: str) -> Any | None:
    """Return the entity of a name, exact or in CamelCase; None if there is none."""
    if name in known:
        return known[name]
    return next((entity for text, entity in known.items() if camel_case(text) == name), None)


def entity_named(session: Any, type_name: str, name: str) -> Any | None:
    """Return the entity of a name, exact or in CamelCase; None if there is none.

    What is not among those remembered is asked for again: it may have been set up in the meantime.
    """
    remembered = type_name in session.remembered
    found = look_up(entities_by_name(session, type_name), name)
    if found is None and remembered:
        session.remembered.pop(type_name, None)
        found = look_up(entities_by_name(session, type_name), name)
    return found


@dataclass(frozen=True)
class AttributeInfo:
    """What a custom attribute takes.

    Attributes:
        types: The Python types of its value; where it takes several values, of each of them.
        array: Whether it takes several values: enumerators do, a single word is one of them.
        mutable: Whether it can be assigned; expressions are computed by the server.
    """

    types: tuple[type, ...]
    array: bool
    mutable: bool


_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "number": (int, float),
    "date": (arrow.Arrow, datetime.datetime),
    "text": (str,),
    "enumerator": (str,),
    "dynamic enumerator": (str,),
    "expression": (str,),
    "boolean": (bool,),
}


def custom_attributes(session: Any) -> Mapping[str, AttributeInfo]:
    """Return key -> what a custom attribute takes; where several types of entities have the key, all that they take."""
    known: Mapping[str, AttributeInfo] | None = session.remembered.get(_CUSTOM)
    if known is None:
        infos: dict[str, AttributeInfo] = {}
        for row in session.fetch_entities(f"select key, type.name from {_CUSTOM}"):
            info = _info(row)
            if info is not None:
                key = str(read(row, "key"))
                infos[key] = _merged(infos[key], info) if key in infos else info
        known = session.remembered[_CUSTOM] = MappingProxyType(infos)
    return known


def _info(configuration: Any) -> AttributeInfo | None:
    names = [str(read(kind, "name")).replace("_", " ").lower() for kind in items(read(configuration, "type"))]
    if not names or names[0] not in _PYTHON_TYPES:
        # A type that servers learned after this was written: nothing is known about it, hence nothing is refused.
        return None
    (name,) = names
    return AttributeInfo(_PYTHON_TYPES[name], array=name.endswith("enumerator"), mutable=name != "expression")


def _merged(one: AttributeInfo, other: AttributeInfo) -> AttributeInfo:
    types = tuple(dict.fromkeys((*one.types, *other.types)))
    return AttributeInfo(types, one.array or other.array, one.mutable or other.mutable)
