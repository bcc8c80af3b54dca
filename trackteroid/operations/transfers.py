"""Files in a deferred block: paths are recorded, what would copy or upload at once is refused before it begins.

The client keeps the path of a new component in the memory of this session only (its origin location) until the component is added
to another location. In a block it is recorded as the component's place in `ftrack.unmanaged`, which holds paths as they are.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ftrack_api
import ftrack_api.exception
import ftrack_api.inspection
import ftrack_api.symbol

from trackteroid.errors import BadInputError, DeferredCommitError

__all__ = ["Transfers"]

# The client's names for components that belong on its review server (ftrack_api.session.Session.create_component).
_REVIEW_NAMES = ("ftrackreview-mp4", "ftrackreview-webm", "ftrackreview-image")


class Transfers(ftrack_api.Session):
    """The part of a session that deals with the files of components."""

    if TYPE_CHECKING:

        @property
        def in_deferred_block(self) -> bool: ...

    def create_component(self, path: str, data: Mapping[str, Any] | None = None, location: Any = "auto") -> Any:
        """Create a component from a file or a sequence, as the client does.

        In a `deferred_operations` block nothing is copied: the path is recorded as the component's place in the location
        `ftrack.unmanaged`, also with `location=None`.

        Args:
            path: A file, or a sequence as in `/path/file.%04d.ext [1-5, 7]`.
            data: Attributes of the component.
            location: Where to; `auto` picks one.

        Raises:
            DeferredCommitError: In a block: the location would copy or upload the file now.
        """
        data = dict(data or {})
        if not self.in_deferred_block:
            return super().create_component(path, data, location)
        if location == "auto":
            location = None
            if data.get("name") in _REVIEW_NAMES:
                location = self.get("Location", ftrack_api.symbol.REVIEW_LOCATION_ID)
            elif (picked := self.pick_location()) is not None and not _is(picked, _NOWHERE):
                location = picked
        if location is not None and not _is(location, (_UNMANAGED,)):
            raise _transfer(location)
        unmanaged = location or self.get("Location", _UNMANAGED)
        return super().create_component(path, data, unmanaged)

    def encode_media(self, *arguments: Any, **named: Any) -> Any:
        """Have media encoded for the review player, as the client does.

        Raises:
            DeferredCommitError: In a `deferred_operations` block: it cannot be recorded.
        """
        if self.in_deferred_block:
            raise DeferredCommitError(
                "encode_media() inside a deferred_operations block: uploading cannot be recorded. Create the component with its "
                "path, and encode it once the recording is committed (`commit.wait()`), in a session of its own."
            )
        return super().encode_media(*arguments, **named)

    def _build_entity_type_classes(self, schemas: Any) -> dict[str, Any]:
        classes: dict[str, Any] = super()._build_entity_type_classes(schemas)
        location = classes.get("Location")
        if location is not None and not hasattr(location, "_trackteroid_guarded"):
            location.add_components = _adding(location.add_components)
            location.remove_components = _removing(location.remove_components)
            location._trackteroid_guarded = True
        return classes


_UNMANAGED = ftrack_api.symbol.UNMANAGED_LOCATION_ID
_ORIGIN = ftrack_api.symbol.ORIGIN_LOCATION_ID
# Neither of them has the file anywhere else than where it is.
_NOWHERE = (_UNMANAGED, _ORIGIN)


def _is(location: Any, ids: Sequence[str]) -> bool:
    return location["id"] in ids


def _transfer(location: Any) -> DeferredCommitError:
    return DeferredCommitError(
        f"The location {location['name']!r} would copy or upload the file inside a deferred_operations block, which cannot be "
        "recorded. Give location=None, which records the path, and add the component to that location once the recording is "
        "committed; or create a ComponentLocation there with the path where the file will be."
    )


def _adding(original: Callable[..., Any]) -> Callable[..., Any]:
    def add_components(
        self: Any, components: Sequence[Any], sources: Any, recursive: bool = True, _depth: int = 0
    ) -> None:
        if not self.session.in_deferred_block or _is(self, (_ORIGIN,)):
            original(self, components, sources, recursive=recursive, _depth=_depth)
            return
        if not _is(self, (_UNMANAGED,)):
            raise _transfer(self)
        each = list(sources) if isinstance(sources, list | tuple) else [sources]
        if len(each) not in (1, len(components)):
            raise BadInputError(f"add_components() takes one source or one for each of {len(components)} components.")
        for component, source in zip(components, each * len(components) if len(each) == 1 else each, strict=True):
            for one in _with_members(component) if recursive else (component,):
                _place(self, one, source.get_resource_identifier(one))

    add_components.__doc__ = original.__doc__
    return add_components


# What blocks have recorded, while they last: (component, location) to the ComponentLocation.
_placed: weakref.WeakKeyDictionary[Any, dict[tuple[str, str], Any]] = weakref.WeakKeyDictionary()


def _place(location: Any, component: Any, path: str) -> None:
    """Record where a component is, once: it has its place from `create_component`, and people add it as they do elsewhere."""
    session = location.session
    places = _placed.setdefault(session.recorded_operations, {})
    slot = (component["id"], location["id"])
    known = places.get(slot)
    if known is not None and ftrack_api.inspection.state(known) is not ftrack_api.symbol.DELETED:
        if known["resource_identifier"] == path:
            return
        raise ftrack_api.exception.ComponentInLocationError([component], location)
    facts = {"component": component, "location": location, "resource_identifier": path}
    places[slot] = session.create("ComponentLocation", facts)


def _removing(original: Callable[..., Any]) -> Callable[..., Any]:
    def remove_components(self: Any, components: Sequence[Any], recursive: bool = True) -> None:
        if self.session.in_deferred_block:
            raise DeferredCommitError(
                "Removing components from a location inside a deferred_operations block would remove files now. Delete their "
                "ComponentLocation instead, or remove them once the recording is committed."
            )
        original(self, components, recursive=recursive)

    remove_components.__doc__ = original.__doc__
    return remove_components


def _with_members(component: Any) -> Iterator[Any]:
    yield component
    if component.attributes.get("members") is not None:
        yield from component["members"]
