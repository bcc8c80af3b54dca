"""Criteria as text: one line per row of the criteria table (specification 4.3), and the rules around them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import arrow
import pytest

from tests.unit.query.conftest import MakeQuery, where
from trackteroid.entities import (
    Asset,
    AssetType,
    AssetVersion,
    AssetVersionList,
    Component,
    ComponentLocation,
    Entity,
    Event,
    FileComponent,
    Group,
    Job,
    List,
    ListCategory,
    Location,
    Metadata,
    Note,
    NoteCategory,
    NoteComponent,
    NoteLabel,
    ObjectType,
    Priority,
    Project,
    ProjectSchema,
    ReviewSession,
    ReviewSessionObject,
    SecurityRole,
    Sequence,
    Shot,
    State,
    Status,
    Task,
    Timelog,
    Timer,
    Type,
    TypedContext,
    User,
)
from trackteroid.query import Criteria

TABLE: list[tuple[Any, str, tuple[Any, ...], dict[str, Any], str]] = [
    # Every type
    (Asset, "by_id", ("v",), {}, '(id is "v")'),
    (Priority, "by_id", ("v", "w"), {}, '(id in ("v","w"))'),
    (AssetVersion, "by_id", (Asset, "v"), {}, '(asset_id is "v")'),
    (AssetVersion, "by_id", (Project, "v"), {}, 'task has (project_id is "v")'),
    (AssetVersion, "by_id", (Component, "v"), {}, 'components any (id is "v")'),
    (Asset, "by_metadata", ({"k": "v"},), {}, '((metadata any (key like "k" and value like "v")))'),
    (
        AssetVersion,
        "by_metadata",
        (Task, {"k": "v"}),
        {},
        '((task.metadata any (key like "k" and value like "v")))',
    ),
    (
        Asset,
        "by_metadata",
        ({"a": "1", "b": "2"}, {"c": "3"}),
        {},
        '((metadata any (key like "a" and value like "1") and metadata any (key like "b" and value like "2")) or '
        '(metadata any (key like "c" and value like "3")))',
    ),
    # AssetVersion
    (AssetVersion, "by_name", ("v",), {}, 'asset has (name is "v")'),
    (AssetVersion, "by_name", (Component, "v"), {}, 'components any (name is "v")'),
    (AssetVersion, "by_name", (User, "v"), {}, 'user has (username is "v")'),
    (AssetVersion, "by_publisher", ("v",), {}, '(user.username is "v")'),
    (
        AssetVersion,
        "by_resource_identifier",
        ("v",),
        {},
        'components.component_locations any (resource_identifier is "v")',
    ),
    (AssetVersion, "by_version", (1,), {}, '(version is "1")'),
    (AssetVersion, "by_status", ("v",), {}, '(status.name is "v")'),
    (AssetVersion, "by_status", (Task, "v"), {}, 'task has (status.name is "v")'),
    (AssetVersion, "by_state", ("v",), {}, '(status.state.name is "v")'),
    (AssetVersion, "by_state", (Task, "v"), {}, 'task has (status.state.name is "v")'),
    (AssetVersion, "by_type", ("v",), {}, 'asset has (type.name is "v")'),
    (AssetVersion, "by_type", (Asset, "v"), {}, 'asset has (type.name is "v")'),
    (AssetVersion, "by_type", (Task, "v"), {}, 'task has (type.name is "v")'),
    (AssetVersion, "by_publish_time", (), {"start": "s", "end": "e"}, '(date >= "s" and date <= "e")'),
    (AssetVersion, "by_publish_time", ("s",), {}, '(date >= "s")'),
    (AssetVersion, "by_publish_time", (), {"end": "e"}, '(date <= "e")'),
    (AssetVersion, "by_publish_state", (True,), {}, '(is_published is "True")'),
    (AssetVersion, "by_outgoing_link", ("v",), {}, 'used_in_versions any (id is "v")'),
    (AssetVersion, "by_incoming_link", ("v",), {}, 'uses_versions any (id is "v")'),
    (AssetVersion, "by_comment", ("v%",), {}, '(comment like "v%")'),
    (AssetVersion, "by_list", ("v",), {}, 'lists any (name is "v")'),
    # Contexts
    (Shot, "by_name", ("v",), {}, '(name is "v")'),
    (Shot, "by_name", (Project, "v"), {}, 'project has (name is "v")'),
    (Task, "by_name", (AssetVersion, "v"), {}, 'assets.versions any (name is "v")'),
    (Task, "by_status", ("v",), {}, '(status.name is "v")'),
    (Task, "by_status", (AssetVersion, "v"), {}, 'assets.versions any (status.name is "v")'),
    (Task, "by_state", ("v",), {}, '(status.state.name is "v")'),
    (Shot, "by_type", ("v",), {}, '(type.name is "v")'),
    (Shot, "by_type", (Asset, "v"), {}, 'assets any (type.name is "v")'),
    (Shot, "by_type", (Task, "v"), {}, 'lists.items any (type.name is "v")'),
    (Task, "by_assignee", ("v",), {}, '(assignments.resource.username is "v")'),
    (Task, "by_status_change_time", ("s", "e"), {}, 'status_changes any (date >= "s" and date <= "e")'),
    (Shot, "by_outgoing_link", ("v",), {}, 'outgoing_links any (to_id is "v")'),
    (Shot, "by_incoming_link", ("v",), {}, 'incoming_links any (from_id is "v")'),
    (Shot, "by_lifespan", ("s", "e"), {}, 'start_date >= "s" and end_date <= "e"'),
    (
        Shot,
        "by_lifespan",
        (Project,),
        {"start": "s", "end": "e"},
        'project.start_date >= "s" and project.end_date <= "e"',
    ),
    (Sequence, "by_description", ("v",), {}, '(description is "v")'),
    (TypedContext, "by_list", ("v",), {}, 'lists any (name is "v")'),
    # Components
    (Component, "by_name", ("v",), {}, '(name is "v")'),
    (Component, "by_name", (Asset, "v"), {}, 'version.asset has (name is "v")'),
    (FileComponent, "by_resource_identifier", ("v",), {}, 'component_locations any (resource_identifier is "v")'),
    (Component, "by_location", ("v",), {}, 'component_locations any (location.name is "v")'),
    (Component, "by_file_type", (".exr",), {}, '(file_type is ".exr")'),
    (Component, "by_system_type", ("file",), {}, '(system_type is "file")'),
    (Component, "by_version", (3,), {}, 'version has (version is "3")'),
    (Component, "by_version", (AssetVersion, 3), {}, 'version has (version is "3")'),
    (Component, "by_size", (10, 20), {}, 'size >= "10" and size <= "20"'),
    (Component, "by_size", (), {"maximum": 20}, 'size <= "20"'),
    (ComponentLocation, "by_name", ("v",), {}, 'location has (name is "v")'),
    (ComponentLocation, "by_name", (Component, "v"), {}, 'component has (name is "v")'),
    (ComponentLocation, "by_version", (2,), {}, 'component.version has (version is "2")'),
    (ComponentLocation, "by_resource_identifier", ("v",), {}, '(resource_identifier is "v")'),
    # Asset, Project
    (Asset, "by_name", ("v",), {}, '(name is "v")'),
    (Asset, "by_name", (AssetVersion, "v"), {}, 'versions any (name is "v")'),
    (Asset, "by_name", (Project, "v"), {}, 'latest_version.task.project has (name is "v")'),
    (Asset, "by_type", ("v",), {}, '(type.name is "v")'),
    (Asset, "by_type", (Task, "v"), {}, 'latest_version.task has (type.name is "v")'),
    (Project, "by_name", ("v",), {}, '(name is "v")'),
    (Project, "by_status", ("active", "hidden"), {}, '(status in ("active","hidden"))'),
    (Project, "by_lifespan", ("s", "e"), {}, 'start_date >= "s" and end_date <= "e"'),
    # People and their things
    (User, "by_name", ("v",), {}, '(username is "v")'),
    (User, "by_name", (Timelog, "v"), {}, 'timelogs any (name is "v")'),
    (User, "by_active_state", (True, False), {}, '(is_active in ("True","False"))'),
    (Timelog, "by_name", ("v",), {}, '(name is "v")'),
    (Timelog, "by_name", (User, "v"), {}, 'user has (username is "v")'),
    (
        Timelog,
        "by_lifespan",
        (),
        {"start": datetime(2024, 1, 1), "end": datetime(2024, 1, 2)},
        'start >= "2024-01-01T00:00:00" and duration <= "86400"',
    ),
    (Timelog, "by_lifespan", (), {"end": datetime(2024, 1, 2)}, 'start <= "2024-01-02T00:00:00"'),
    (Timelog, "by_comment", ("v",), {}, '(comment is "v")'),
    (Timer, "by_comment", ("v",), {}, '(comment is "v")'),
    *(
        (entity_class, "by_description", ("v",), {}, '(description is "v")')
        for entity_class in (Location, ReviewSession, ReviewSessionObject)
    ),
    (Note, "by_name", (User, "v"), {}, 'author has (username is "v")'),
    (Note, "by_name", (NoteCategory, "v"), {}, 'category has (name is "v")'),
    (Note, "by_id", (User, "v"), {}, 'author has (id is "v")'),
    (Job, "by_name", ("v",), {}, '(data like "%v%")'),
    (Job, "by_name", (User, "v"), {}, 'user has (username is "v")'),
    (Job, "by_data", ({"k": "v"},), {}, '((data any (key like "k" and value like "v")))'),
    (Job, "by_status", ("done",), {}, '(status is "done")'),
    (Job, "by_lifespan", ("s", "e"), {}, 'created_at >= "s" and finished_at <= "e"'),
    (Job, "by_creation_date", (arrow.get("2023-01-02T10:00:00"),), {}, 'created_at like "2023-01-02%"'),
    (Job, "by_finish_date", (date(2023, 1, 2),), {}, 'finished_at like "2023-01-02%"'),
    (Event, "by_action", ("v",), {}, '(action is "v")'),
    (Event, "by_data", ("v",), {}, '(data is "v")'),
    (Event, "by_name", (Project, "v"), {}, 'project has (name is "v")'),
    # Small ones
    (Status, "by_name", ("v",), {}, '(name is "v")'),
    (Status, "by_name", (State, "v"), {}, 'state has (name is "v")'),
    (List, "by_name", ("v",), {}, '(name is "v")'),
    (AssetVersionList, "by_name", (Project, "v"), {}, 'project has (name is "v")'),
    (AssetVersionList, "by_name", (ListCategory, "v"), {}, 'category has (name is "v")'),
    (ReviewSession, "by_name", (Project, "v"), {}, 'project has (name is "v")'),
    *(
        (entity_class, "by_name", ("v",), {}, '(name is "v")')
        for entity_class in (
            *(NoteCategory, Group, Location, ListCategory, NoteLabel, ReviewSession),
            *(State, Type, AssetType, ObjectType, ProjectSchema, SecurityRole),
        )
    ),
    (Metadata, "by_id", (("p", "k"),), {}, '((parent_id is "p" and key is "k"))'),
]


@pytest.mark.parametrize(("entity_class", "name", "arguments", "keywords", "expected"), TABLE)
def test_the_criteria_table(
    query: MakeQuery, entity_class: Any, name: str, arguments: Any, keywords: Any, expected: str
) -> None:
    assert where(getattr(query(entity_class), name)(*arguments, **keywords)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("a",), '(name is "a")'),
        (("a", "b"), '(name in ("a","b"))'),
        (("a%",), '(name like "a%")'),
        (("a%", "b", "%z", "c"), '(name in ("b","c") or name like "a%" or name like "%z")'),
    ],
)
def test_exact_values_come_first_and_patterns_are_or_joined(query: MakeQuery, values: Any, expected: str) -> None:
    assert where(query(Asset).by_name(*values)) == expected


def test_several_relations_are_or_joined(query: MakeQuery) -> None:
    schema = {"name": "own", "entities": {"AssetVersion": {"Shot": ["asset.parent[Shot]", "task.parent[Shot]"]}}}
    assert where(query(AssetVersion, schema).by_name(Shot, "a")) == (
        '(asset.parent[Shot] has (name is "a") or task.parent[Shot] has (name is "a"))'
    )
    assert where(query(AssetVersion, schema).not_by_name(Shot, "a")) == (
        '(asset.parent[Shot] has (name is_not "a") and task.parent[Shot] has (name is_not "a"))'
    )
    assert where(query(AssetVersion, schema).by_metadata(Shot, {"k": "v"})) == (
        '((asset.parent[Shot].metadata any (key like "k" and value like "v")) or '
        '(task.parent[Shot].metadata any (key like "k" and value like "v")))'
    )


@pytest.mark.parametrize(
    ("entity_class", "target", "expected"),
    [
        # D52: these references have no column of their own name.
        (Status, State, 'state has (id is "x")'),
        (AssetVersion, State, 'status.state has (id is "x")'),
        (Note, User, 'author has (id is "x")'),
    ],
)
def test_d52_the_key_column_is_used_only_where_it_exists(
    query: MakeQuery, entity_class: Any, target: Any, expected: str
) -> None:
    assert where(query(entity_class).by_id(target, "x")) == expected


def test_d52_the_key_column_is_not_used_behind_a_type_filter(query: MakeQuery) -> None:
    schema = {"name": "own", "entities": {"Task": {"Shot": "parent[Shot]"}}}
    assert where(query(Task, schema).by_id(Shot, "x")) == 'parent[Shot] has (id is "x")'


def test_a_notes_parent_is_found_by_its_bare_key(query: MakeQuery) -> None:
    schema = {"name": "own", "entities": {"Note": {"Shot": "parent[Shot]"}}}
    assert where(query(Note, schema).by_id(Shot, "a", "b")) == '(parent_id in ("a","b"))'


def test_d50_values_are_escaped(query: MakeQuery) -> None:
    assert where(query(Asset).by_name('a" or name like "%', "b\\")) == (
        r'(name is "b\\" or name like "a\" or name like \"%")'
    )


@pytest.mark.parametrize(
    ("entity_class", "name", "arguments", "keywords", "expected"),
    [
        (Asset, "not_by_name", ("a",), {}, '(name is_not "a")'),
        (Asset, "not_by_name", ("a", "b"), {}, '(name not_in ("a","b"))'),
        (Asset, "not_by_name", ("a%",), {}, '(name not_like "a%")'),
        (AssetVersion, "not_by_name", ("a",), {}, 'asset has (name is_not "a")'),
        # D55: the structure is negated, never the text.
        (Asset, "not_by_name", ("man in black",), {}, '(name is_not "man in black")'),
        (Asset, "not_by_name", ("a", "b%"), {}, '(name is_not "a" and name not_like "b%")'),
        (AssetVersion, "not_by_name", (Component, "x"), {}, 'not components any (name is "x")'),
        (Task, "not_by_assignee", ("x",), {}, 'not (assignments.resource.username is "x")'),
        (Component, "not_by_size", (10,), {}, 'not (size >= "10")'),
        (Shot, "not_by_lifespan", ("s", "e"), {}, 'not (start_date >= "s" and end_date <= "e")'),
        (AssetVersion, "not_by_publish_time", ("s",), {}, 'not (date >= "s")'),
        (Task, "not_by_status_change_time", ("s",), {}, 'not status_changes any (date >= "s")'),
        (Job, "not_by_creation_date", (date(2023, 1, 2),), {}, 'not (created_at like "2023-01-02%")'),
        (
            Asset,
            "not_by_metadata",
            ({"k": "v"},),
            {},
            'not ((metadata any (key like "k" and value like "v")))',
        ),
        (AssetVersion, "not_by_id", (Asset, "v"), {}, '(asset_id is_not "v")'),
        (AssetVersion, "not_by_id", (Project, "v"), {}, 'task has (project_id is_not "v")'),
    ],
)
def test_d55_negation(
    query: MakeQuery, entity_class: Any, name: str, arguments: Any, keywords: Any, expected: str
) -> None:
    rendered = where(getattr(query(entity_class), name)(*arguments, **keywords))
    assert rendered == expected


class TestMerging:
    def test_values_of_one_criterion_are_collected(self, query: MakeQuery) -> None:
        assert where(query(Asset).by_name("a").by_type("t").by_name("b")) == (
            '(name in ("a","b")) and (type.name is "t")'
        )

    def test_d56_repeated_values_count_once(self, query: MakeQuery) -> None:
        assert where(query(Asset).by_name("a").by_name("b").by_name("a")) == '(name in ("a","b"))'

    def test_d56_merges_with_the_matching_target_not_with_the_first(self, query: MakeQuery) -> None:
        assert where(query(Shot).by_name("a").by_name(Project, "p").by_name(Project, "q")) == (
            '(name is "a") and project has (name in ("p","q"))'
        )

    def test_negated_ones_stay_apart(self, query: MakeQuery) -> None:
        assert where(query(Asset).by_name("a%").not_by_name("ab")) == '(name like "a%") and (name is_not "ab")'

    def test_d56_named_arguments_are_merged(self, query: MakeQuery) -> None:
        merged = query(AssetVersion).by_publish_time(start="s").by_publish_time(end="e")
        assert where(merged) == '(date >= "s" and date <= "e")'


class TestOrder:
    def test_short_relations_come_first(self, query: MakeQuery) -> None:
        assert where(query(Shot).by_status("x").by_name(Project, "z")) == (
            'project has (name is "z") and (status.name is "x")'
        )

    def test_dots_in_values_do_not_count(self, query: MakeQuery) -> None:
        assert where(query(Shot).by_name("a.b.c").by_status("x")) == '(name is "a.b.c") and (status.name is "x")'


class TestArguments:
    @pytest.mark.parametrize("name", ["by_name", "by_id", "by_metadata", "by_type", "not_by_name"])
    def test_d49_no_value_is_refused(self, query: MakeQuery, name: str) -> None:
        with pytest.raises(Criteria.InvalidArgumentsError, match="needs a value"):
            getattr(query(Asset), name)()

    @pytest.mark.parametrize(
        ("entity_class", "name"), [(Shot, "by_lifespan"), (AssetVersion, "by_publish_time"), (Component, "by_size")]
    )
    def test_d49_no_bound_is_refused(self, query: MakeQuery, entity_class: Any, name: str) -> None:
        with pytest.raises(Criteria.InvalidArgumentsError):
            getattr(query(entity_class), name)()

    def test_a_target_needs_values(self, query: MakeQuery) -> None:
        with pytest.raises(Criteria.InvalidArgumentsError, match="needs a value"):
            query(Asset).by_name(Project)

    def test_a_target_comes_first_and_alone(self, query: MakeQuery) -> None:
        with pytest.raises(Criteria.InvalidArgumentsError, match="one class only"):
            query(Asset).by_name("a", Project)

    def test_an_unsupported_target_lists_the_supported(self, query: MakeQuery) -> None:
        with pytest.raises(Criteria.InvalidArgumentsError, match=r"Project.*Task"):
            query(AssetVersion).by_status(Project, "a")
        with pytest.raises(Criteria.InvalidArgumentsError, match="none"):
            query(AssetVersion).by_version(Project, "a")

    def test_a_listed_target_admits_direct_subclasses(self, query: MakeQuery) -> None:
        schema = {"name": "own", "entities": {"Task": {"Shot": "parent[Shot]"}}}
        assert where(query(Task, schema).by_status(Shot, "a")) == 'parent[Shot] has (status.name is "a")'

    def test_d51_a_missing_relation_names_both_types(self, query: MakeQuery) -> None:
        unreachable = query(AssetVersion).by_name(Shot, "a")
        assert not unreachable.valid
        with pytest.raises(Criteria.InvalidArgumentsError, match=r"AssetVersion to Shot.*RELATIONSHIPS_RESOLVER"):
            str(unreachable)

    def test_a_list_instead_of_values_is_refused(self, query: MakeQuery) -> None:
        with pytest.raises(Criteria.InvalidArgumentsError, match=r"\*values"):
            query(Asset).by_name(["a", "b"])

    def test_values_and_names_together_are_refused(self, query: MakeQuery) -> None:
        with pytest.raises(Criteria.InvalidArgumentsError, match="position or by name"):
            query(AssetVersion).by_publish_time("s", end="e")
        with pytest.raises(Criteria.InvalidArgumentsError, match="no named arguments"):
            query(Asset).by_name("a", start="s")

    def test_types_without_the_attribute_need_a_target(self, query: MakeQuery) -> None:
        for entity_class in (Note, Event):
            with pytest.raises(Criteria.InvalidArgumentsError, match="needs a class"):
                query(entity_class).by_name("a")

    def test_known_elsewhere_is_not_implemented_here(self, query: MakeQuery) -> None:
        with pytest.raises(Criteria.CriterionNotImplementedError, match="by_size"):
            _ = query(Asset).by_size
        with pytest.raises(NotImplementedError):
            _ = query(AssetVersion).not_by_component_location

    def test_unknown_anywhere_is_no_attribute(self, query: MakeQuery) -> None:
        with pytest.raises(AttributeError, match="by_nonsense"):
            _ = query(Asset).by_nonsense

    def test_d46_note_components_are_no_components(self, query: MakeQuery) -> None:
        with pytest.raises(Criteria.CriterionNotImplementedError):
            _ = query(NoteComponent).by_file_type

    def test_every_type_has_the_common_criteria(self, query: MakeQuery) -> None:
        for entity_class in (Entity, Priority, NoteComponent, Task):
            names = dir(query(entity_class))
            assert {"by_id", "not_by_id", "by_metadata", "inject"} <= set(names)

    def test_dates_are_iso(self, query: MakeQuery) -> None:
        moment = datetime(2024, 1, 2, 3, 4, 5)
        assert where(query(AssetVersion).by_publish_time(start=moment)) == '(date >= "2024-01-02T03:04:05")'
        assert where(query(AssetVersion).by_publish_time(start=arrow.get(moment))) == (
            '(date >= "2024-01-02T03:04:05+00:00")'
        )


class TestInject:
    def test_fragments_are_and_joined(self, query: MakeQuery) -> None:
        assert where(query(Asset).inject("a is 1", "b is 2").by_name("x")) == 'a is 1 and b is 2 and (name is "x")'

    def test_one_leading_word_is_dropped(self, query: MakeQuery) -> None:
        assert where(query(Asset).inject("and a is 1", "WHERE b is 2")) == "a is 1 and b is 2"

    def test_d57_only_whole_words_count(self, query: MakeQuery) -> None:
        assert where(query(Asset).inject("origin is b", "whereabouts is x", "order is 1", "android is 2")) == (
            "origin is b and whereabouts is x and order is 1 and android is 2"
        )

    def test_d57_an_or_does_not_leak(self, query: MakeQuery) -> None:
        assert where(query(Asset).inject('a is "x or y"', "a is 1 or b is 2", "(c is 1 or d is 2)")) == (
            'a is "x or y" and (a is 1 or b is 2) and (c is 1 or d is 2)'
        )

    @pytest.mark.parametrize("text", ["or a is 1", " OR a is 1", "", "and "])
    def test_what_is_no_condition_is_refused(self, query: MakeQuery, text: str) -> None:
        with pytest.raises(ValueError, match="condition of its own"):
            query(Asset).inject(text)

    def test_a_warning_names_the_fragment(
        self, query: MakeQuery, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        query(Asset).inject("a is 1")
        assert not caplog.records
        monkeypatch.setattr("trackteroid.configuration.WARN_ON_INJECT", True, raising=False)
        query(Asset).inject("b is 2")
        assert [(record.name, record.levelname) for record in caplog.records] == [("trackteroid.query", "WARNING")]
        assert "b is 2" in caplog.text


def test_none_is_the_absence_of_a_value_not_a_text(query: MakeQuery) -> None:
    assert where(query(Shot).by_description(None)) == "(description is none)"
    assert where(query(Shot).by_name("None")) == '(name is "None")'
    assert where(query(AssetVersion).by_id(Task, None)) == "(task_id is none)"
    assert where(query(Shot).by_name("a", None, "b%")) == '(name is "a" or name is none or name like "b%")'
    assert where(query(Shot).not_by_name("a", None)) == '(name is_not "a" and name is_not none)'
    assert where(query(AssetVersion).not_by_comment(None)) == "(comment is_not none)"
    assert where(query(Shot).by_metadata({"k": None})) == '((metadata any (key like "k" and (value is none))))'
