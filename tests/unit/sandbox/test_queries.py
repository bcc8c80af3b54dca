"""What a query answers: shape of rows, paging, order, derived attributes, errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clock import FakeClock
from tests.unit.sandbox.conftest import Ask
from tests.unit.sandbox.test_parser import SPECIFIED
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.errors import ApiError, UnknownAttributeError, UnknownEntityTypeError, ValidationError
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.storage import Storage

MISSION = (
    "select id, name, versions, versions.task, versions.components,"
    ' versions.components.component_locations.resource_identifier from Asset where (name is "bc0040_comp")'
)


@pytest.mark.parametrize("expression", SPECIFIED[:-1])
def test_the_queries_of_the_specification_are_answered(query: Ask, expression: str) -> None:
    assert isinstance(query(expression), list)


def test_the_last_query_of_the_specification_names_its_unknown_attribute(query: Ask) -> None:
    with pytest.raises(UnknownAttributeError, match='TypedContextLink has no attribute "incoming"'):
        query(SPECIFIED[-1])


def test_a_row_has_key_system_projections_and_what_was_asked_for_and_nothing_else(query: Ask) -> None:
    (row,) = query("select name, status.name from Task where name is compositing and parent.name is bc0040")
    assert set(row) == {"__entity_type__", "id", "context_type", "project_id", "object_type_id", "name", "status"}
    assert set(row["status"]) == {"__entity_type__", "id", "name"}
    assert (row["__entity_type__"], row["context_type"]) == ("Task", "task")


def test_the_missions_query_finds_one_asset_whose_versions_share_a_task(query: Ask) -> None:
    (asset,) = query(MISSION)
    assert len(asset["versions"]) == 3
    assert len({version["task"]["id"] for version in asset["versions"]}) == 1
    location = asset["versions"][0]["components"][0]["component_locations"][0]
    assert location["resource_identifier"].endswith("bc0040_comp.exr")
    assert set(location) == {"__entity_type__", "id", "location_id", "component_id", "resource_identifier"}


def test_a_path_through_an_empty_reference_gives_null(query: Ask) -> None:
    (row,) = query("select thumbnail.id from Shot where name is bc0040")
    assert row["thumbnail"] is None


def test_dotted_paths_merge_into_one_tree(query: Ask) -> None:
    (row,) = query("select asset.name, asset.versions.version, version from AssetVersion where version is 3")
    assert row["asset"]["name"] == "bc0040_comp"
    assert [each["version"] for each in row["asset"]["versions"]] == [1, 2, 3]


def test_an_entity_is_written_out_once_with_what_any_place_asks_for(query: Ask) -> None:
    rows = query(
        "select comment, asset.versions.version, asset.name from AssetVersion"
        " where asset.name is bc0040_comp order by version"
    )
    scalars = {"__entity_type__", "id", "asset_id", "version", "comment"}
    assert [set(row) for row in rows] == [scalars | {"asset"}, scalars, scalars]
    below = rows[0]["asset"]["versions"]
    assert [set(version) for version in below] == [scalars, scalars | {"asset"}, scalars | {"asset"}]
    assert "versions" not in below[1]["asset"]


def test_a_client_that_wants_it_gets_everything_everywhere(api: Api) -> None:
    expression = "select asset.versions.version from AssetVersion where asset.name is bc0040_comp"
    (answer,) = api.handle(
        [{"action": "query", "expression": expression}], username="anna", api_key="anna-key", denormalized=True
    )
    assert [len(row["asset"]["versions"]) for row in answer["data"]] == [3, 3, 3]


def test_an_answer_grows_with_its_rows_and_not_with_their_square(call: Ask, query: Ask) -> None:
    asset = query("Asset where name is bc0040_comp")[0]["id"]
    call(*({"action": "create", "entity_type": "AssetVersion", "entity_data": {"asset_id": asset}} for _ in range(200)))
    text = json.dumps(query(f'select asset.versions.version from AssetVersion where asset_id is "{asset}"'))
    assert text.count("__entity_type__") < 4 * 203


def test_a_relation_that_a_cast_empties_in_one_place_is_whole_in_the_other(query: Ask) -> None:
    (row,) = query("select children.name, parent.children[Shot].name from Sequence where name is bc")
    assert len(row["children"]) == 5
    assert row["parent"]["children"] == []
    (row,) = query("select children[Task].name, parent.children.children.name from Sequence where name is bc")
    assert len(row["parent"]["children"]) == 2
    assert len(row["children"]) == 5


def walk(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield row
    for each in row.get("used_in_versions", ()):
        yield from walk(each)


def depth(row: dict[str, Any]) -> int:
    return 1 + max((depth(each) for each in row.get("used_in_versions", ())), default=0)


def test_a_long_chain_does_not_nest_without_end(call: Ask, query: Ask) -> None:
    asset = query("Asset where name is bc0040_comp")[0]["id"]
    call(
        *(
            {"action": "create", "entity_type": "AssetVersion", "entity_data": {"id": f"v{n}", "asset_id": asset}}
            for n in range(60)
        )
    )
    call(
        *(
            {
                "action": "create",
                "entity_type": "AssetVersionLink",
                "entity_data": {"from_id": f"v{n}", "to_id": f"v{n + 1}"},
            }
            for n in range(59)
        )
    )
    rows = query(
        'select version, used_in_versions.version from AssetVersion where id like "v%" and version > 3 order by version'
    )
    assert max(depth(row) for row in rows) <= 21
    assert sum(bool(each.get("used_in_versions")) for row in rows for each in walk(row)) == 59


def test_a_name_that_subtypes_use_differently_is_read_by_what_follows(query: Ask) -> None:
    assert len(query("Asset where parent.status.name is Normal")) == 9
    assert len(query("Context where status is active")) == 3


def test_rows_of_a_family_carry_their_concrete_types(query: Ask) -> None:
    types = {row["__entity_type__"] for row in query("Context")}
    assert types == {"Project", "Task", "Shot", "Sequence", "Episode", "Folder", "Milestone", "AssetBuild"}
    assert {row["__entity_type__"] for row in query("TypedContext")} == types - {"Project"}
    assert {row["__entity_type__"] for row in query("NoteCategory")} == {"NoteLabel"}


def test_an_attribute_of_a_subtype_is_left_out_where_the_row_has_none(query: Ask) -> None:
    rows = query("select resource.username from Appointment")
    assert all("username" in row["resource"] for row in rows)
    names = {row["__entity_type__"]: "username" in row for row in query("select username from Resource")}
    assert names == {"User": True, "Group": False}


def test_a_cast_lets_only_rows_of_that_type_pass(query: Ask) -> None:
    (row,) = query("select children[Sequence].name, parent[Shot].name from Episode where name is e01")
    assert [child["name"] for child in row["children"]] == ["bc", "dd"]
    assert row["parent"] is None


def test_a_criterion_on_a_collection_counts_each_on_its_own(query: Ask) -> None:
    apart = 'select id from Asset where versions.version is 1 and versions.comment is "Notes of version 2 addressed."'
    together = 'Asset where versions any (version is 1 and comment is "Notes of version 2 addressed.")'
    assert (len(query(apart)), len(query(together))) == (1, 0)


def test_comparing_a_reference_compares_its_key(query: Ask) -> None:
    (shot,) = query("Shot where name is bc0040")
    assert len(query(f'Task where parent is "{shot["id"]}"')) == 3
    assert query(f'Shot where children is_not none and id is "{shot["id"]}"')
    assert len(query("AssetVersion where asset is_not None")) == len(query("AssetVersion"))


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("Asset where versions is none", 0),
        ("Sequence where children is none", 1),
        ("Sequence where not children any ()", 1),
        ("Shot where ancestors any (name is e01)", 5),
        ("Episode where descendants.name is bc0040", 1),
        ("Shot where metadata any (key=camera and value=a)", 1),
        ("Shot where custom_attributes any (key is fstart and value > 1000)", 1),
        ("Shot where custom_attributes.configuration.key is fps", 7),
        ("AssetVersion where is_latest_version is true", 9),
        ("Task where time_logged > 0 and bid_time_logged_difference is 21600", 1),
        ("User where username is ANNA", 1),
        ("AssetVersion where date is 2024-02-13", 1),
        ('AssetVersion where date like "2024-02-1%"', 13),
        ("AssetVersionList where items.asset.name is bc0040_comp", 1),
        ("Note where parent_type is AssetVersion", 1),
        ("Recipient where user.username is anna", 1),
        ("Status where state.short is DONE", 2),
        ("Task where id in ()", None),
    ],
)
def test_criteria_of_every_kind(query: Ask, expression: str, count: int | None) -> None:
    if count is None:
        with pytest.raises(ApiError, match="Failed to parse"):
            query(expression)
    else:
        assert len(query(expression)) == count


def test_pages_say_where_the_next_one_starts(call: Ask) -> None:
    total = len(call({"action": "query", "expression": "Task"})[0]["data"])
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = call({"action": "query", "expression": f"Task offset {offset} limit {total // 3}"})[0]
        seen += [row["id"] for row in page["data"]]
        offset = page["metadata"]["next"]["offset"]
    assert len(seen) == len(set(seen)) == total


def test_a_full_last_page_is_the_last(call: Ask) -> None:
    total = len(call({"action": "query", "expression": "Task"})[0]["data"])
    page = call({"action": "query", "expression": f"Task limit {total}"})[0]
    assert page["metadata"]["next"]["offset"] is None


def test_limit_0_gives_no_rows_and_no_next_page(call: Ask) -> None:
    assert call({"action": "query", "expression": "Task limit 0"})[0] == {
        "action": "query",
        "data": [],
        "metadata": {"next": {"offset": None}},
    }


def test_order_through_references(query: Ask) -> None:
    names = [
        row["asset"]["name"] for row in query("select asset.name from AssetVersion order by asset.name desc, version")
    ]
    assert names == sorted(names, reverse=True)


def test_order_through_references_is_without_case_as_everywhere(call: Ask, query: Ask) -> None:
    tasks = [row["id"] for row in query("Task where parent.name is bc0040")]
    names = ["zebra", "Yak", "xenon"]
    call(
        *({"action": "create", "entity_type": "Status", "entity_data": {"id": name, "name": name}} for name in names),
        *(
            {"action": "update", "entity_type": "Task", "entity_key": [task], "entity_data": {"status_id": name}}
            for task, name in zip(tasks, names, strict=True)
        ),
    )
    found = query("select status.name from Task where parent.name is bc0040 order by status.name")
    assert [row["status"]["name"] for row in found] == ["xenon", "Yak", "zebra"]


def fill_in(call: Ask, key: str, *values: Any) -> None:
    """Give the first shots, in their order, these values of a custom attribute."""
    shots = [row["id"] for row in call({"action": "query", "expression": "Shot"})[0]["data"]]
    configuration = {"id": "c", "key": key, "entity_type": "show", "is_hierarchical": True}
    operations = [{"action": "create", "entity_type": "CustomAttributeConfiguration", "entity_data": configuration}]
    for shot, value in zip(shots, values, strict=False):
        data = {"action": "update", "entity_type": "ContextCustomAttributeValue", "entity_key": ["c", shot]}
        operations.append({**data, "entity_data": {"value": value}})
    call(*operations)


def test_custom_values_are_sorted_by_their_own_type(call: Ask, query: Ask) -> None:
    fill_in(call, "x", 950, 1001, 20000, 7, 7.5)
    found = query("select value from ContextCustomAttributeValue where key is x and value is_not none order by value")
    assert [row["value"] for row in found] == [7, 7.5, 950, 1001, 20000]
    call({"action": "delete", "entity_type": "CustomAttributeConfiguration", "entity_key": ["c"]})
    fill_in(call, "x", "b", "C", "a")
    found = query(
        "select value from ContextCustomAttributeValue where key is x and value is_not none order by value desc"
    )
    assert [row["value"] for row in found] == ["C", "b", "a"]


def test_custom_values_in_sub_queries(call: Ask, query: Ask) -> None:
    fill_in(call, "x", "BC0020", "nowhere", 3, None)
    values = "select value from ContextCustomAttributeValue where key is x"
    assert [row["name"] for row in query(f"select name from Shot where name in ({values})")] == ["bc0020"]
    versions = {row["version"] for row in query(f"select version from AssetVersion where version in ({values})")}
    assert versions == {3}
    others = query(f"select name from Shot where name not_in ({values}) and project.name is demo")
    assert [row["name"] for row in others] == ["bc0010", "bc0030", "bc0040", "bc0050"]
    names = query("select value from ContextCustomAttributeValue where key is x and value in (select name from Shot)")
    assert [row["value"] for row in names] == ["BC0020"]


@pytest.mark.parametrize(
    ("criterion", "found"),
    [
        ('value like "2024-03-01%"', [0]),
        ('value is "2024-03-01"', [0]),
        ('value in ("2024-03-01", "b")', [0, 1]),
        ("value like tr%", [2]),
        ("value like true", [2]),
        ('value like "a,%"', [1]),
        ("value like a%", [1, 3]),
        ("value not_like a%", [0, 2]),
        ("value not_in (none)", [0, 1, 2, 3]),
        ("value not_in (true)", [0, 1, 3]),
    ],
)
def test_custom_values_are_compared_as_what_they_are(call: Ask, query: Ask, criterion: str, found: list[int]) -> None:
    time = {"__type__": "datetime", "value": "2024-03-01T09:30:00"}
    values = [time, ["a", "b"], True, "abc", None]
    fill_in(call, "x", *values)
    rows = query(f"select value from ContextCustomAttributeValue where key is x and {criterion}")
    assert [row["value"] for row in rows] == [values[index] for index in found]


def test_a_criterion_may_have_thousands_of_parts(query: Ask) -> None:
    ids = [row["id"] for row in query("Task limit 2")]
    others = [f"nobody-{number}" for number in range(3000)]
    either = " or ".join(f'id is "{each}"' for each in [*others, *ids])
    assert [row["id"] for row in query(f"Task where {either}")] == ids
    neither = " and ".join(f'id is_not "{each}"' for each in others)
    assert len(query(f"Task where {neither}")) == len(query("Task"))
    listed = ", ".join(map(json.dumps, [*others, 24]))
    assert query(f"ContextCustomAttributeValue where key is fps and value in ({listed})") == []


@pytest.mark.parametrize("word", ["or", "and"])
def test_more_conditions_than_can_be_planned_in_time_are_refused(query: Ask, word: str) -> None:
    with pytest.raises(ValidationError, match=rf"^5001 conditions joined by {word} are too many: at most 5000\."):
        query("Task where " + f" {word} ".join(["name is x"] * 5001))
    assert query("Task where id in (" + ", ".join(map(str, range(20_000))) + ")") == []


def test_link_leads_from_the_project_down(query: Ask) -> None:
    (row,) = query("select link from AssetVersion where version is 3")
    assert [(each["name"], each["type"]) for each in row["link"]] == [
        ("Demo Film", "Project"),
        ("e01", "TypedContext"),
        ("bc", "TypedContext"),
        ("bc0040", "TypedContext"),
        ("bc0040_comp v003", "AssetVersion"),
    ]
    assert row["link"][-1]["id"] == row["id"]


def test_urls_point_at_the_server_with_the_callers_credentials(query: Ask) -> None:
    (row,) = query("select url from ComponentLocation limit 1")
    assert row["url"]["value"].startswith("http://sandbox/component/get?id=")
    assert "username=sandbox&apiKey=sandbox-key" in row["url"]["value"]
    (shot,) = query("select thumbnail_url from Shot limit 1")
    assert shot["thumbnail_url"] == {"url": "http://sandbox/img/thumbnail2.png"}


def test_custom_attributes_are_dense(query: Ask) -> None:
    (row,) = query("select custom_attributes from Shot where name is bc0010")
    assert {each["key"]: each["value"] for each in row["custom_attributes"]} == {"fstart": 0, "fend": 0, "fps": None}
    assert all(each["__entity_type__"] == "ContextCustomAttributeValue" for each in row["custom_attributes"])
    (task,) = query("select custom_attributes from Task where parent.name is bc0010 limit 1")
    assert [each["key"] for each in task["custom_attributes"]] == ["fps"]


def test_every_attribute_of_every_type_can_be_selected(api: Api) -> None:
    for entity_type in load_schema().types.values():
        if not entity_type.hidden:
            names = [each.name for each in entity_type.attributes.values() if not each.hidden]
            operation = {"action": "query", "expression": f"select {', '.join(names)} from {entity_type.name}"}
            (answer,) = api.handle([operation], username="anna", api_key="anna-key", denormalized=True)
            for row in answer["data"]:
                concrete = load_schema().type(row["__entity_type__"])
                assert {name for name in names if name in concrete.attributes} <= set(row)


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        ("select nonsense from Task", UnknownAttributeError, 'Task has no attribute "nonsense"'),
        ("select parent.nonsense from Task", UnknownAttributeError, 'Context has no attribute "nonsense"'),
        ("Task order by nonsense", UnknownAttributeError, "nonsense"),
        ("Nonsense", UnknownEntityTypeError, "Nonsense"),
        ("Ancestry", UnknownEntityTypeError, "Ancestry"),
        ("Task where parent[Nonsense].name is x", UnknownEntityTypeError, "Nonsense"),
        ("Task where parent[User].name is x", ValidationError, "can never be User"),
        ("Task where name.x is y", UnknownAttributeError, "no relation"),
        ("select name.x from Task", UnknownAttributeError, "no relation"),
        ("Task where bid is many", ValidationError, "bid"),
        ("Task where start_date > soon", ValidationError, "no date and time"),
        ("Task where link is x", ValidationError, "cannot be searched"),
        ("Task where id in (select id, name from Shot)", ValidationError, "selects one attribute"),
        ("Shot where metadata is x", ValidationError, "key of several attributes"),
    ],
)
def test_mistakes_beyond_syntax_name_what_is_wrong(
    query: Ask, expression: str, error: type[ApiError], message: str
) -> None:
    with pytest.raises(error, match=message):
        query(expression)


def test_search_finds_terms_in_names_and_above(call: Ask) -> None:
    def found(*terms: str) -> list[str]:
        operation = {"action": "search", "expression": "select name from Task", "entity_type": "Task"}
        return [row["name"] for row in call({**operation, "terms": list(terms)})[0]["data"]]

    assert found("BC0040", "comp") == ["compositing"]
    assert found("100%") == []


def test_a_data_file_keeps_its_data(tmp_path: Any) -> None:
    from trackteroid.sandbox.errors import SandboxStartError

    path = tmp_path / "data.db"
    storage = Storage(load_schema(), path, now=lambda: "2024-01-01 00:00:00")
    Api(storage, clock=FakeClock()).apply(
        [{"action": "create", "entity_type": "Scope", "entity_data": {"id": "s", "name": "kept"}}]
    )
    storage.close()
    again = Storage(load_schema(), path, now=lambda: "2024-01-01 00:00:00")
    assert not again.is_new
    assert again.column('SELECT "name" FROM "Scope"') == ["kept"]
    again.close()
    path.write_text("no database at all, but long enough to be looked at" * 20)
    with pytest.raises(SandboxStartError, match="Cannot use"):
        Storage(load_schema(), path, now=lambda: "2024-01-01 00:00:00")
