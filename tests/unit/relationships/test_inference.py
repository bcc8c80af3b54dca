"""The relation between two types, inferred from the server's schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.local_session import stock_schemas
from tests.support.shared import shared_file
from trackteroid.relationships import SchemaIndex, schema_hash, schema_index

CONTEXTS = ("TypedContext", "Task", "Shot", "Sequence", "AssetBuild", "Folder", "Episode", "Milestone")

# (source, target) -> path and whether it leads to several; the pairs that users rely on (specification 5.2).
IMPORTANT = {
    ("AssetVersion", "Asset"): ("asset", False),
    ("AssetVersion", "Task"): ("task", False),
    ("AssetVersion", "User"): ("user", False),
    ("AssetVersion", "Status"): ("status", False),
    ("AssetVersion", "State"): ("status.state", False),
    ("AssetVersion", "Type"): ("task.type", False),
    ("AssetVersion", "AssetType"): ("asset.type", False),
    ("AssetVersion", "Project"): ("task.project", False),
    ("AssetVersion", "Component"): ("components", True),
    ("AssetVersion", "ComponentLocation"): ("components.component_locations", True),
    ("AssetVersion", "Note"): ("notes", True),
    ("Asset", "AssetVersion"): ("versions", True),
    ("Asset", "Component"): ("versions.components", True),
    ("Asset", "ComponentLocation"): ("versions.components.component_locations", True),
    ("Asset", "AssetType"): ("type", False),
    ("Asset", "Task"): ("latest_version.task", False),
    ("Asset", "Project"): ("latest_version.task.project", False),
    ("Asset", "Status"): ("latest_version.status", False),
    ("Asset", "User"): ("latest_version.user", False),
    ("Asset", "Note"): ("versions.notes", True),
    **{
        (context, target): relation
        for context in CONTEXTS
        for target, relation in {
            "Project": ("project", False),
            "Status": ("status", False),
            "State": ("status.state", False),
            "Type": ("type", False),
            "ObjectType": ("object_type", False),
            "Asset": ("assets", True),
            "AssetVersion": ("assets.versions", True),
            "Component": ("assets.versions.components", True),
            "ComponentLocation": ("assets.versions.components.component_locations", True),
            "Note": ("notes", True),
            "Timelog": ("timelogs", True),
            "Appointment": ("assignments", True),
            "User": ("created_by", False),
        }.items()
    },
    **{(context, "Task"): ("lists.items", True) for context in ("Shot", "AssetBuild", "Folder", "TypedContext")},
    ("Component", "AssetVersion"): ("version", False),
    ("Component", "Asset"): ("version.asset", False),
    ("Component", "Task"): ("version.task", False),
    ("Component", "Project"): ("version.task.project", False),
    ("Component", "ComponentLocation"): ("component_locations", True),
    ("ComponentLocation", "Component"): ("component", False),
    ("ComponentLocation", "Location"): ("location", False),
    ("ComponentLocation", "AssetVersion"): ("component.version", False),
    ("ComponentLocation", "Asset"): ("component.version.asset", False),
    ("Project", "ProjectSchema"): ("project_schema", False),
    ("Project", "Asset"): ("assets", True),
    ("Project", "AssetVersion"): ("assets.versions", True),
    ("Note", "User"): ("author", False),
    ("Note", "NoteCategory"): ("category", False),
    ("Note", "Recipient"): ("recipients", True),
    ("User", "Timelog"): ("timelogs", True),
    ("User", "Appointment"): ("appointments", True),
    ("Timelog", "User"): ("user", False),
    ("Job", "User"): ("user", False),
    ("Event", "User"): ("user", False),
    ("Status", "State"): ("state", False),
    ("Status", "Task"): ("tasks", True),
    ("List", "Project"): ("project", False),
    ("List", "ListCategory"): ("category", False),
    ("AssetVersionList", "AssetVersion"): ("items", True),
    ("ReviewSession", "Project"): ("project", False),
    ("ReviewSessionObject", "AssetVersion"): ("asset_version", False),
}

NONE = [
    *(("AssetVersion", target) for target in ("Shot", "Sequence", "AssetBuild", "TypedContext", "Timelog")),
    ("AssetVersion", "NoteCategory"),
    ("AssetVersion", "Location"),
    ("Shot", "Sequence"),
    ("Task", "Shot"),
    ("Appointment", "User"),
    ("Appointment", "Task"),
    ("User", "Group"),
    ("Group", "User"),
    ("Asset", "TypedContext"),
    # Only through a thumbnail: meaningless, not inferred.
    ("Project", "Task"),
    ("Note", "AssetVersion"),
    ("User", "Task"),
    ("Timelog", "Project"),
    ("Timelog", "Task"),
]

# The original's answers that come out differently, each with its reason. All others agree, or go through a thumbnail.
SHORTER = {
    # Found by breadth-first search, which the original's is not quite.
    *(
        (f"{kind}CustomAttributeLink{end}", "ObjectType")
        for kind in ("Asset", "AssetVersion", "Component")
        for end in ("", "From")
    ),
    *(
        ("ReviewSessionObject", target)
        for target in ("Project", "ProjectSchema", "Disk", "TaskTypeSchema", "WorkflowSchema")
    ),
    ("NoteComponent", "User"),
    ("NoteComponent", "UserType"),
}
SAME_LENGTH = {
    # Two attributes for one reference: the first in the schema file's (alphabetical) order.
    *(("DashboardResource", target) for target in ("Dashboard", "User", "UserType", "Component")),
    # Somebody's portrait or the project's: neither is more to the point.
    *((f"{kind}List", "Component") for kind in ("AssetVersion", "", "TypedContext")),
    ("ListObject", "Component"),
    ("ListCustomAttributeLink", "Component"),
    ("ListCustomAttributeLinkFrom", "Component"),
    # As for every other context type (specification 5.2, table).
    ("TypedContext", "Appointment"),
}


@pytest.fixture(scope="module")
def index() -> SchemaIndex:
    return SchemaIndex(stock_schemas())


@pytest.fixture(scope="module")
def published_index() -> SchemaIndex:
    return SchemaIndex(json.loads(shared_file("spec", "ftrack-schema.json").read_text()))


@pytest.mark.parametrize(("pair", "expected"), IMPORTANT.items(), ids=lambda value: "-".join(map(str, value)))
def test_relations_that_users_rely_on(index: SchemaIndex, pair: tuple[str, str], expected: tuple[str, bool]) -> None:
    relation = index.relation(*pair)
    assert relation is not None
    assert (relation.paths, relation.is_array) == ((expected[0],), expected[1])


@pytest.mark.parametrize("pair", NONE, ids="-".join)
def test_there_is_no_relation_where_none_is_meant(index: SchemaIndex, pair: tuple[str, str]) -> None:
    assert index.relation(*pair) is None


def _compare(published: SchemaIndex) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    expected = json.loads(shared_file("spec", "relationships.json").read_text())["relations"]
    differing = {}
    for source, modes in expected.items():
        for mode, found in (("non_collection", published.references(source)), ("collection", published.arrays(source))):
            for target in {*modes[mode], *found}:
                ours, theirs = found.get(target), modes[mode].get(target)
                if ours != theirs:
                    differing[source, target] = (ours, theirs)
    return differing


def test_the_original_agrees_except_where_named(published_index: SchemaIndex) -> None:
    differing = _compare(published_index)
    through_thumbnail = {pair for pair, (_, theirs) in differing.items() if theirs and "thumbnail." in theirs}
    assert set(differing) - through_thumbnail == SHORTER | SAME_LENGTH
    for pair in SHORTER:
        ours, theirs = differing[pair]
        assert ours is not None and theirs is not None
        assert ours.count(".") < theirs.count(".")
    for pair in SAME_LENGTH:
        ours, theirs = differing[pair]
        assert ours is not None and theirs is not None
        assert ours.count(".") == theirs.count(".")


def test_nothing_is_inferred_through_a_thumbnail(published_index: SchemaIndex) -> None:
    for source in published_index.types:
        paths = [*published_index.references(source).values(), *published_index.arrays(source).values()]
        assert not [path for path in paths if "thumbnail." in path]


def test_array_attributes_are_those_of_the_original(published_index: SchemaIndex) -> None:
    expected = json.loads(shared_file("spec", "relationships.json").read_text())["array_attributes"]
    assert sorted(published_index.array_attributes) == expected


def test_the_shortest_path_wins_and_ties_go_by_schema_order() -> None:
    index = SchemaIndex(
        [
            _type("A", first="B", second="C", direct="D"),
            _type("B", to_e="E", to_d="D"),
            _type("C", to_e="E"),
            _type("D"),
            _type("E"),
        ]
    )
    assert index.references("A") == {"B": "first", "C": "second", "D": "direct", "E": "first.to_e"}


def test_arrays_and_references_are_not_mixed_and_arrays_win() -> None:
    schemas = [_type("A", one="B"), _type("B", one="C"), _type("C")]
    schemas[0]["properties"]["many"] = {"type": "array", "items": {"$ref": "B"}}
    index = SchemaIndex(schemas)
    relation = index.relation("A", "B")
    assert relation is not None
    assert (relation.paths, relation.is_array) == (("many",), True)
    onward = index.relation("A", "C")
    assert onward is not None
    assert (onward.paths, onward.is_array) == (("one.one",), False)


def test_an_index_is_made_once_per_schema() -> None:
    schemas = stock_schemas()
    again = json.loads(json.dumps(schemas))
    assert schema_index(schemas) is schema_index(again)
    assert schema_index(schemas).schema_hash == schema_hash(schemas)


def _type(name: str, **references: str) -> dict[str, Any]:
    properties = {attribute: {"$ref": target} for attribute, target in references.items()}
    return {"id": name, "primary_key": ["id"], "properties": {"id": {"type": "string"}, **properties}}
