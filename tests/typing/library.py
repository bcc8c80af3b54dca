"""What a type checker knows about queries and collections. Never executed: `tests/integration/library` runs mypy on it."""

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from trackteroid import AssetVersion, EmptyCollection, EntityCollection, Query, Shot, Task, TypedContext
from trackteroid.entities.base import Relationship
from trackteroid.session import Session

query = Query(Shot)
assert_type(query, Query[Shot])
assert_type(query.by_name("a", "b%").not_by_status("c"), Query[Shot])
assert_type(query.get_one(), EntityCollection[Shot])
assert_type(query.get_all(), EntityCollection[Shot] | EmptyCollection[Shot])
assert_type(
    query.get_first(projections=["name", AssetVersion, Task.State.name]), EntityCollection[Shot] | EmptyCollection[Shot]
)
assert_type(Query(Task, session=Session()).get_one(), EntityCollection[Task])

shots = query.get_one()
assert_type(shots[0], EntityCollection[Shot])
assert_type(shots[Task], EntityCollection[Task] | EmptyCollection[Task])
assert_type(shots[TypedContext], EntityCollection[TypedContext] | EmptyCollection[TypedContext])
assert_type(shots.get(Task, projections=[Task.name]), EntityCollection[Task] | EmptyCollection[Task])
assert_type(shots.fetch_attributes("status").link_inputs(shots), EntityCollection[Shot])
assert_type(shots.to_dicts("name", Task.State.name)[0]["name"], Any)
assert_type(shots.filter(lambda shot: shot.name), EntityCollection[Shot] | EmptyCollection[Shot])
assert_type(shots.sort(lambda shot: shot.name), EntityCollection[Shot])
assert_type(shots.group(lambda shot: str(shot)), dict[str, EntityCollection[Shot]])
assert_type(shots.map(len), list[int])
assert_type(shots.create(name="x"), EntityCollection[Shot])
assert_type(shots.entity_type, type[Shot])
assert_type(Task.State.name, Relationship)
for shot in shots:
    assert_type(shot, EntityCollection[Shot])
