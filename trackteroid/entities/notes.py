"""Creating notes: they know their parent by a bare id and type, and have recipients that are entities of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trackteroid.entities.assignment import client_value
from trackteroid.entities.container import Container
from trackteroid.entities.context import Context, View
from trackteroid.entities.entity_types import User
from trackteroid.entities.fetching import fetch
from trackteroid.entities.values import identity, read
from trackteroid.errors import UsageError
from trackteroid.query.criteria import Criterion, where_text

__all__ = ["plan_beside", "plan_on"]

_TYPE = "Note"
_REPLIES = "replies"


def plan_on(context: Context, owners: Sequence[Any], arguments: Mapping[str, Any]) -> Callable[[], Any]:
    """Check a note on the one owner and return the function that creates it and returns the client's entity.

    A note on a note is a reply to it.

    Raises:
        UsageError: There is not exactly one owner, or an argument is of no use.
    """
    return _plan(context, [_place(identity(owner)[0], owner.entity_type) for owner in owners], arguments)


def plan_beside(view: View, notes: Sequence[Any], arguments: Mapping[str, Any]) -> Callable[[], Any]:
    """As `plan_on`, for a note on what the notes given are on, which must be one and the same.

    Raises:
        UsageError: They are on different entities, or an argument is of no use.
    """
    if view.origin is not None and view.origin.attribute == _REPLIES:
        return plan_on(view.context, view.origin.owner.client_entities, arguments)
    view.context.check_usable("create Note")
    fetch(view.context, view.entity_type, notes, [["parent_id"], ["parent_type"], ["in_reply_to_id"]])
    on = [(read(note, "parent_id"), read(note, "parent_type")) for note in notes]
    places = [_place(*parent) for parent in on if parent[0]]
    # What a reply is on, its thread knows.
    places = places or [_place(answered, _TYPE) for note in notes if (answered := read(note, "in_reply_to_id"))]
    return _plan(view.context, list({tuple(place.items()): place for place in places}.values()), arguments)


def _place(owner_id: Any, owner_type: Any) -> dict[str, str]:
    """Return the attributes by which a note is on an entity."""
    if owner_type == _TYPE:
        return {"in_reply_to_id": str(owner_id)}
    return {"parent_id": str(owner_id), "parent_type": str(owner_type)}


def _plan(context: Context, places: Sequence[Mapping[str, str]], arguments: Mapping[str, Any]) -> Callable[[], Any]:
    context.check_usable("create Note")
    given = dict(arguments)
    author = _author(context, given.pop("author", None))
    recipients = _recipients(context, given.pop("recipients", None), author)
    data = {name: _value(context, name, value) for name, value in given.items()}
    if "parent_id" not in data:
        if len(places) != 1:
            raise UsageError(f"Ambiguous context: a new Note needs exactly one parent, here are {len(places)}.")
        data.update(places[0])
    elif "parent_type" not in data:
        raise UsageError("Note.create: the argument 'parent_id' needs 'parent_type' beside it, such as 'Shot'.")

    def create() -> Any:
        note = context.session.create(_TYPE, {**data, "author": author})
        (note_id,) = identity(note)
        for resource_id in recipients:
            context.session.create("Recipient", {"note_id": note_id, "resource_id": resource_id})
        return note

    return create


def _author(context: Context, given: Any) -> Any:
    if given is not None:
        if not isinstance(given, Container) or len(given.client_entities) != 1:
            raise UsageError(f"Note.create: the argument 'author' takes exactly one User, not {given!r}.")
        return _value(context, "author", given)
    name = context.session.api_user
    condition = where_text([Criterion("by_name", values=(name,))], context.scope(User))
    found = context.session.fetch_entities(f"select id, username from User where {condition}")
    if len(found) != 1:
        raise UsageError(f"Note.create: the session's user {name!r} is no User on the server; give an 'author'.")
    return found[0]


def _recipients(context: Context, given: Any, author: Any) -> list[str]:
    """Return the ids of the resources that the note is for."""
    if given is None:
        return list(identity(author))
    if not isinstance(given, Container):
        raise UsageError(f"Note.create: the argument 'recipients' takes a collection, not {given!r}.")
    context.check_same(given.container_context, "create Note")
    ids = []
    for entity in given.client_entities:
        if entity.entity_type == "Recipient":
            ids.append(str(read(entity, "resource_id")))
        elif context.index.is_subtype(entity.entity_type, "Resource"):
            ids.append(identity(entity)[0])
        else:
            raise UsageError(f"Note.create: the argument 'recipients' takes User or Recipient, not {given!r}.")
    return list(dict.fromkeys(ids))


def _value(context: Context, name: str, value: Any) -> Any:
    attribute = context.index.attribute(_TYPE, name)
    if attribute is None:
        raise UsageError(f"Note.create: Note has no attribute {name!r}.")
    try:
        return client_value(context, _TYPE, attribute, value)
    except TypeError as error:
        raise UsageError(f"Note.create: the argument {name!r} cannot be used: {error}") from error
