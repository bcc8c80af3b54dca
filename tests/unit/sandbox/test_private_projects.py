"""A user without access takes the world without the private project for the whole world, whatever he asks and writes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.unit.sandbox.private_world import OUTSIDER, Operations, add_people, crossing_rows, project_rows
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.credentials import add_key, authenticate
from trackteroid.sandbox.derived import RowContext
from trackteroid.sandbox.errors import ApiError, PermissionDeniedError
from trackteroid.sandbox.querying import run_parsed
from trackteroid.sandbox.schema import EntityType
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, API_USER, plant
from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.syntax import (
    Comparison,
    Criterion,
    Literal,
    Membership,
    Not,
    Operator,
    OrderKey,
    Path,
    Query,
    Relation,
    Step,
)
from trackteroid.sandbox.visibility import sight_of

SCHEMA = load_schema()
TYPES = sorted(each.name for each in SCHEMA.types.values() if not each.hidden)
KEY = "outsider-key"


def world(*batches: Operations) -> Api:
    storage = Storage(SCHEMA, now=lambda: "2024-03-01 09:30:00")
    plant(storage, "empty")
    numbers = itertools.count()
    api = Api(storage, clock=lambda: 1709285400.0, new_id=lambda: f"made-{next(numbers)}", url="http://sandbox")
    add_people(api)
    for batch in batches:
        send(api, *batch, username=API_USER, api_key=API_KEY)
    with storage.transaction():
        add_key(storage, KEY, "common-outsider")
    storage.keep_copy("made")
    return api


OPEN, CLOSED = project_rows("open", private=False), project_rows("closed", private=True)


@pytest.fixture(scope="module")
def whole_world() -> Iterator[Api]:
    api = world(OPEN, CLOSED, crossing_rows(seen=True))
    yield api
    api.storage.close()


@pytest.fixture
def whole(whole_world: Api) -> Iterator[Api]:
    yield whole_world
    whole_world.storage.restore_copy("made")


@pytest.fixture(scope="module")
def part() -> Iterator[Api]:
    """The world without the private project."""
    api = world(OPEN, crossing_rows(seen=False))
    yield api
    api.storage.close()


def send(api: Api, *operations: dict[str, Any], username: str = OUTSIDER, api_key: str = KEY) -> Any:
    return api.handle(list(operations), username=username, api_key=api_key)


def ask(api: Api, expression: str, **who: str) -> Any:
    return send(api, {"action": "query", "expression": expression}, **who)[0]["data"]


def operation(action: str, entity_type: str, *key: Any, **data: Any) -> dict[str, Any]:
    return {"action": action, "entity_type": entity_type, "entity_key": list(key), "entity_data": data}


# Reading


def attributes(entity_type: EntityType) -> list[str]:
    members = (SCHEMA.types[name] for name in entity_type.family)
    return sorted({name for each in members for name, attribute in each.attributes.items() if not attribute.hidden})


def relations(entity_type: EntityType) -> Iterator[tuple[str, EntityType]]:
    for name in attributes(entity_type):
        attribute, _ = SCHEMA.attribute(entity_type, name, as_relation=True)
        if attribute.is_relation:
            yield name, SCHEMA.type(attribute.target or "")


def paths(entity_type: EntityType, length: int) -> Iterator[tuple[str, ...]]:
    """Every projection path of at most this many names."""
    for name in attributes(entity_type):
        yield (name,)
    if length > 1:
        for name, target in relations(entity_type):
            for names in paths(target, length - 1):
                yield (name, *names)


def path(*names: str) -> Path:
    return Path(tuple(Step(name, None, 0) for name in names))


def find(
    api: Api,
    name: str,
    projections: Iterable[Path] = (),
    criterion: Criterion | None = None,
    order: tuple[OrderKey, ...] = (),
) -> Any:
    """As a query does it, but for the text: parsing so much of it would take longer than everything else."""
    query = Query(name, tuple(projections), criterion, order, None, 0, 0)
    with api.storage.lock:
        caller = authenticate(api.storage, OUTSIDER, KEY)
        sight = sight_of(api.storage, caller.user_id)
        return run_parsed(
            RowContext(storage=api.storage, url="", username=OUTSIDER, api_key=KEY, sight=sight), query
        ).entities


@pytest.mark.parametrize("name", TYPES)
def test_every_projection_shows_the_same_as_without_the_private_project(whole_world: Api, part: Api, name: str) -> None:
    # Where no row is seen, nothing can be seen through one.
    length = 3 if find(whole_world, name) else 1
    projections = [path(*names) for names in paths(SCHEMA.type(name), length)]
    seen = find(whole_world, name, projections)
    assert "closed" not in json.dumps(seen)
    assert seen == find(part, name, projections)


def criteria(entity_type: EntityType) -> Iterator[tuple[Criterion, tuple[OrderKey, ...]]]:
    """Criteria about each relation and each key of a type, some with an order."""

    def closed(owner: EntityType) -> Criterion:
        return Comparison(path(owner.primary_key[0]), Operator.LIKE, Literal("%closed%", True, 0))

    yield closed(entity_type), ()
    for relation, target in relations(entity_type):
        yield Not(Relation(path(relation), None)), ()
        yield Relation(path(relation), closed(target)), ()
        if len(target.primary_key) == 1:
            there = path(relation, target.primary_key[0])
            among = Query(target.name, (path(target.primary_key[0]),), None, (), None, 0, 0)
            yield Membership(there, False, among), (OrderKey(there, False),)
    for name in attributes(entity_type):
        attribute, _ = SCHEMA.attribute(entity_type, name)
        if name.endswith("_id") and not attribute.is_relation:
            yield Comparison(path(name), Operator.IS_NOT, Literal("none", False, 0)), (OrderKey(path(name), True),)


@pytest.mark.parametrize("name", TYPES)
def test_every_criterion_finds_the_same_as_without_the_private_project(whole_world: Api, part: Api, name: str) -> None:
    for criterion, order in criteria(SCHEMA.type(name)) if find(part, name) else ():
        asked = {"criterion": criterion, "order": order}
        assert find(whole_world, name, **asked) == find(part, name, **asked), criterion


def hidden_rows(api: Api) -> Iterator[tuple[EntityType, dict[str, Any]]]:
    """Every stored row that the private project brought along."""
    for table, types in SCHEMA.tables():
        if types[0].view or types[0].hidden:
            continue
        cursor = api.storage.execute(f'SELECT * FROM "{table}"')
        names = [column[0] for column in cursor.description]
        for record in cursor.fetchall():
            row = dict(zip(names, record, strict=True))
            if "closed" in json.dumps(row) and not str(row.get("id")).startswith(("crossing", "common")):
                yield SCHEMA.type(row.get("__type", table)), row


def test_there_is_a_hidden_row_of_every_type_that_can_hang_below_a_project(whole: Api) -> None:
    """So that the tests above and below mean something."""
    below = {
        "Context Appointment Manager Timelog TypedContextLink Asset AssetVersion AssetVersionLink Component StatusChange",
        "ComponentLocation JobComponent SettingComponent Note NoteComponent NoteLabelLink Recipient Metadata List ListObject",
        "CalendarEvent CalendarEventResource ReviewSession ReviewSessionInvitee ReviewSessionObject EntitySetting",
        "ReviewSessionObjectStatus CustomConfigurationBase CustomAttributeValue CustomAttributeLink Event Feed",
        "UserSecurityRoleProject",
    }
    tables = {entity_type.table for entity_type, _ in hidden_rows(whole)}
    assert tables == set(" ".join(below).split())


def test_a_hidden_row_cannot_be_had_by_its_key(whole: Api) -> None:
    for entity_type, row in hidden_rows(whole):
        key = " and ".join(f'{name} is "{row[name]}"' for name in entity_type.primary_key)
        assert ask(whole, f"{entity_type.name} where {key}") == []
        assert len(ask(whole, f"{entity_type.name} where {key}", username=API_USER, api_key=API_KEY)) == 1


def test_a_picture_that_is_nobodys_is_seen_by_all(whole: Api) -> None:
    create = operation("create", "FileComponent", "loose", id="loose", name="loose")
    send(whole, create, username=API_USER, api_key=API_KEY)
    assert [row["id"] for row in ask(whole, "Component where id is loose")] == ["loose"]


# Access


@pytest.mark.parametrize(
    "rights",
    [
        [operation("create", "UserSecurityRole", user_id="common-outsider", is_all_projects=True)],
        [
            operation("create", "UserSecurityRole", id="mine", user_id="common-outsider"),
            operation("create", "UserSecurityRoleProject", user_security_role_id="mine", project_id="closed-project"),
        ],
        [operation("update", "Project", "closed-project", is_private=False)],
    ],
    ids=["all projects", "this project", "no longer private"],
)
def test_with_access_everything_is_there(whole: Api, rights: Operations) -> None:
    assert ask(whole, "Shot where name is closed-shot") == []
    send(whole, *rights, username=API_USER, api_key=API_KEY)
    (shot,) = ask(
        whole, "select project.name, timelogs, assets.versions.components from Shot where name is closed-shot"
    )
    assert shot["project"]["name"] == "closed-project"
    send(whole, operation("update", "Shot", "closed-shot", description="mine"))


def test_another_projects_role_is_no_access(whole: Api) -> None:
    rights = [
        operation("create", "UserSecurityRole", id="mine", user_id="common-outsider", is_all_projects=False),
        operation("create", "UserSecurityRoleProject", user_security_role_id="mine", project_id="open-project"),
    ]
    send(whole, *rights, username=API_USER, api_key=API_KEY)
    assert ask(whole, "Shot where name is closed-shot") == []


def test_a_project_below_a_private_one_is_hidden_with_it(whole: Api) -> None:
    create = [
        operation("create", "Project", id="inner", name="inner", full_name="inner", parent_id="closed-project"),
        operation("create", "Shot", id="inner-shot", name="inner", parent_id="inner"),
    ]
    send(whole, *create, username=API_USER, api_key=API_KEY)
    assert ask(whole, "Context where name is inner") == []


def test_nobody_lets_himself_in(whole: Api) -> None:
    role = operation("create", "UserSecurityRole", id="mine", user_id="common-outsider")
    project = operation("create", "UserSecurityRoleProject", user_security_role_id="mine", project_id="closed-project")
    with pytest.raises(PermissionDeniedError):
        send(whole, role, project)


# Writing


def refused(api: Api, each: dict[str, Any]) -> bool:
    api.storage.keep_copy("before")
    try:
        send(api, each)
    except PermissionDeniedError:
        return True
    api.storage.restore_copy("before")
    return False


@pytest.mark.parametrize("between", [False, True], ids=["below", "between"])
def test_what_would_be_hidden_cannot_be_created(between: bool) -> None:
    """The private project grows step by step; before each step the outsider tries to do the same."""
    api = world(OPEN, CLOSED) if between else world(OPEN)
    allowed = set()
    try:
        for each in crossing_rows(seen=True) if between else CLOSED:
            if not refused(api, each):
                allowed.add((each["entity_type"], each["entity_data"].get("id")))
            send(api, each, username=API_USER, api_key=API_KEY)
    finally:
        api.storage.close()
    if between:
        # One attaches a picture that all see to something that all see.
        assert allowed == {("ReviewSession", "crossing-session"), ("NoteComponent", None), ("Event", 12)}
    else:
        # A picture is nobody's until somebody shows it.
        pictures = ("closed-shot-thumbnail", "closed-version-1-thumbnail", "closed-attachment")
        assert allowed == {("Project", "closed-project"), *(("FileComponent", each) for each in pictures)}


def test_a_hidden_row_can_neither_be_changed_nor_deleted(whole: Api) -> None:
    for entity_type, row in hidden_rows(whole):
        key = [row[name] for name in entity_type.primary_key]
        with pytest.raises(PermissionDeniedError):
            send(whole, operation("update", entity_type.name, *key))
        with pytest.raises(PermissionDeniedError):
            send(whole, operation("delete", entity_type.name, *key))


def test_custom_attributes_of_hidden_entities_can_neither_be_set_nor_reset(whole: Api) -> None:
    for view, key in (
        ("ContextCustomAttributeValue", ["common-hierarchical-configuration", "closed-shot"]),
        ("ContextCustomAttributeValue", ["common-hierarchical-configuration", "closed-task"]),
        ("AssetCustomAttributeValue", ["common-asset-configuration", "closed-asset"]),
        ("CustomAttributeValue", ["common-hierarchical-configuration", "closed-task"]),
    ):
        with pytest.raises(PermissionDeniedError):
            send(whole, operation("update", view, *key, value="x"))
    with pytest.raises(PermissionDeniedError):
        send(whole, operation("delete", "ContextCustomAttributeValue", *key[:1], "closed-shot"))


@pytest.mark.parametrize(
    "change",
    [
        operation("update", "AssetVersion", "open-version-1", task_id="closed-task"),
        operation("update", "Shot", "open-shot", thumbnail={"__entity_type__": "Component", "id": "closed-frame"}),
        operation("update", "Task", "open-task", parent_id="closed-shot"),
        operation("update", "Asset", "open-asset", parent={"__entity_type__": "Shot", "id": "closed-shot"}),
        operation(
            "update", "Asset", "open-asset", versions=[{"__entity_type__": "AssetVersion", "id": "closed-version-1"}]
        ),
        operation(
            "update", "TypedContextList", "open-contexts", items=[{"__entity_type__": "Task", "id": "closed-task"}]
        ),
    ],
    ids=lambda change: "-".join([change["entity_type"], *change["entity_data"]]),
)
def test_nothing_is_moved_or_linked_into_a_hidden_project(whole: Api, change: dict[str, Any]) -> None:
    with pytest.raises(PermissionDeniedError, match="no access"):
        send(whole, change)


def test_a_refused_batch_changes_nothing(whole: Api) -> None:
    allowed = operation("create", "Shot", id="new", name="new", parent_id="open-project")
    with pytest.raises(PermissionDeniedError):
        send(whole, allowed, operation("create", "Task", name="t", parent_id="closed-shot"))
    assert ask(whole, "Shot where id is new") == []


def test_what_a_client_does_not_see_it_does_not_take_away(whole: Api) -> None:
    """Clients send complete collections: they would empty them of what they weren't shown."""
    everybody = {"username": API_USER, "api_key": API_KEY}
    keep = [{"__entity_type__": "Task", "id": "open-other-task"}]
    send(whole, operation("update", "TypedContextList", "open-contexts", items=keep))
    (seen,) = ask(whole, "select items.id from TypedContextList where id is open-contexts")
    assert [each["id"] for each in seen["items"]] == ["open-other-task"]
    (all_items,) = ask(whole, "select items.id from TypedContextList where id is open-contexts", **everybody)
    assert {each["id"] for each in all_items["items"]} == {"open-other-task", "closed-task"}
    send(whole, operation("update", "User", "common-outsider", timelogs=[]))
    (user,) = ask(whole, "select timelogs.id from User where id is common-outsider", **everybody)
    assert [each["id"] for each in user["timelogs"]] == ["closed-timelog"]


def test_deleting_something_seen_takes_the_hidden_rows_that_belong_to_it_along(whole: Api) -> None:
    send(whole, operation("delete", "TypedContextList", "open-contexts"))
    send(whole, operation("delete", "FileComponent", "common-picture"))
    assert whole.storage.column('SELECT COUNT(*) FROM "ListObject" WHERE "list_id" = \'open-contexts\'') == [0]


def test_an_unknown_row_is_still_an_integrity_error(whole: Api) -> None:
    with pytest.raises(ApiError) as caught:
        send(whole, operation("update", "Shot", "no-such-shot", name="x"))
    assert caught.value.exception == "IntegrityError"


def test_users_who_see_everything_read_the_tables_themselves(whole: Api) -> None:
    statements: list[str] = []
    whole.storage._connection.set_trace_callback(statements.append)
    ask(whole, "select name, thumbnail.name from Shot", username=API_USER, api_key=API_KEY)
    whole.storage._connection.set_trace_callback(None)
    assert statements and not any("visible" in each for each in statements)
