"""What a server is set up with, as objects to look names up in: `TASK_TYPES["Look Dev"]` or `TASK_TYPES.LookDev`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trackteroid.entities.server_setup import AttributeInfo, camel_case, custom_attributes, entities_by_name, look_up
from trackteroid.errors import UnknownNameError
from trackteroid.session import SESSION

__all__ = [
    "ASSET_TYPES",
    "CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY",
    "OBJECT_TYPES",
    "PROJECT_SCHEMAS",
    "TASK_TYPES",
    "AttributeInfo",
    "CustomAttributeTypes",
    "NamedTypes",
]


class NamedTypes:
    """The entities of one type by name, as on the server or in CamelCase (words capitalised, blanks removed).

    Looking asks `SESSION` on first use; `get` asks another session.

    Args:
        type_name: The type whose entities these are; each has a `name`.

    Raises:
        KeyError: On looking up a name that the server does not have (also an AttributeError, where it was looked up as
            an attribute).
    """

    def __init__(self, type_name: str) -> None:
        self._type_name = type_name

    @property
    def types(self) -> Mapping[str, Any]:
        """The server's names with the client's entities."""
        return entities_by_name(SESSION, self._type_name)

    def get(self, name: str, session: Any = None) -> Any:
        """Return the client's entity of a name.

        Args:
            name: As on the server, or in CamelCase.
            session: The session to ask; default: `SESSION`.

        Raises:
            KeyError: The server has no such name.
        """
        known = entities_by_name(SESSION if session is None else session, self._type_name)
        found = look_up(known, name)
        if found is None:
            raise UnknownNameError(f"There is no {self._type_name} {name!r}; there are {', '.join(sorted(known))}.")
        return found

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.get(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and look_up(self.types, name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.types)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *map(camel_case, self.types)]

    def __repr__(self) -> str:
        return f"<{self._type_name} by name>"


class CustomAttributeTypes:
    """What the custom attributes of a server take, by key: `CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY.fstart`.

    Looking asks `SESSION` on first use; `get` asks another session. Unknown keys raise as those of `NamedTypes`.
    """

    def get(self, key: str, session: Any = None) -> AttributeInfo:
        """Return what a custom attribute takes; where several types of entities have the key, all that they take.

        Args:
            key: The key of the attribute.
            session: The session to ask; default: `SESSION`.

        Raises:
            KeyError: The server has no such custom attribute.
        """
        known = custom_attributes(SESSION if session is None else session)
        if key not in known:
            raise UnknownNameError(f"There is no custom attribute {key!r}; there are {', '.join(sorted(known))}.")
        return known[key]

    def __getitem__(self, key: str) -> AttributeInfo:
        return self.get(key)

    def __getattr__(self, key: str) -> AttributeInfo:
        if key.startswith("_"):
            raise AttributeError(key)
        return self.get(key)

    def __repr__(self) -> str:
        return "<custom attributes by key>"


OBJECT_TYPES = NamedTypes("ObjectType")
ASSET_TYPES = NamedTypes("AssetType")
TASK_TYPES = NamedTypes("Type")
PROJECT_SCHEMAS = NamedTypes("ProjectSchema")
CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY = CustomAttributeTypes()
