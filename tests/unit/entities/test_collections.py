"""Collections as containers, their attributes and functional methods."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.local_session import LocalSession
from trackteroid.entities import (
    Asset,
    AssetVersion,
    Component,
    ComponentLocation,
    Context,
    Entity,
    FileComponent,
    Group,
    Note,
    Project,
    Resource,
    Sequence,
    Shot,
    Status,
    Task,
    TypedContext,
    TypedContextLink,
    User,
)
from trackteroid.entities.base import EmptyCollection, EntityCollection
from trackteroid.entities.values import NOT_SET
from trackteroid.query import Query

SHOTS = ["bc0010", "bc0020", "bc0030", "bc0040", "bc0050", "sp010"]


@pytest.fixture
def shots(session: LocalSession) -> Any:
    # All but that of the private project.
    question = Query(Shot, session=session).not_by_name("tz%")
    return question.get_all(order_by="name", projections=["description", "parent", "project"])


@pytest.fixture
def empty(session: LocalSession) -> Any:
    return Query(Shot, session=session).by_name("nonsense").get_all()


class TestContainer:
    def test_has_length_truth_and_a_readable_form(self, shots: Any, empty: Any) -> None:
        assert (len(shots), bool(shots), repr(shots)) == (6, True, "EntityCollection[Shot]{6}")
        assert (len(empty), bool(empty), repr(empty)) == (0, False, "EmptyCollection[Shot]")
        assert shots.entity_type is Shot
        assert empty.entity_type is Shot

    def test_items_are_collections_of_one(self, shots: Any) -> None:
        assert [shot.name for shot in shots] == [[name] for name in SHOTS]
        assert [shot.name for shot in reversed(shots)] == [[name] for name in reversed(SHOTS)]
        assert shots[0].name == ["bc0010"]
        assert shots[-1].name == ["sp010"]
        assert shots[1:3].name == ["bc0020", "bc0030"]
        with pytest.raises(IndexError):
            shots[6]
        with pytest.raises(TypeError, match="indexed"):
            shots[1.5]

    def test_an_empty_slice_is_an_empty_collection(self, shots: Any) -> None:
        assert isinstance(shots[7:], EmptyCollection)

    def test_items_by_id(self, shots: Any) -> None:
        key = list(shots.keys())[2]
        assert shots[key] == shots[2]
        with pytest.raises(KeyError):
            shots["nonsense"]

    def test_d16_iterators_do_not_interfere(self, shots: Any) -> None:
        seen = []
        for shot in shots:
            seen.append(shot)
            if len(seen) == 2:
                break
        pairs = [(left, right) for left in shots for right in shots]
        assert len(pairs) == 36
        assert [shot for shot, _ in zip(shots, shots, strict=True)] == list(shots)

    def test_d14_iterating_nothing_does_nothing(self, empty: Any) -> None:
        assert list(empty) == []

    def test_equality_is_same_entities_in_same_order(self, session: LocalSession, shots: Any) -> None:
        again = Query(Shot, session=session).not_by_name("tz%").get_all(order_by="name")
        assert again == shots
        assert again is not shots
        assert again[::-1] != shots
        assert TypedContext(shots) == shots
        assert shots != list(shots)
        assert hash(again) == hash(shots)

    def test_emptiness_is_equal_by_type(self, session: LocalSession, empty: Any) -> None:
        other = Query(Shot, session=session).by_name("none").get_all()
        assert other == empty
        assert hash(other) == hash(empty)
        assert other != empty[Task]

    def test_membership(self, shots: Any, empty: Any) -> None:
        assert shots[0] in shots
        assert next(iter(shots.keys())) in shots
        assert next(iter(shots.values())) in shots
        assert shots in shots
        assert shots not in shots[1:]
        assert "nonsense" not in shots
        assert shots[0] not in empty

    def test_keys_and_values(self, shots: Any, empty: Any) -> None:
        assert list(shots.keys()) == shots.id
        wrapped = list(shots.values())
        assert [entity["name"] for entity in wrapped] == SHOTS
        assert wrapped[0].name == "bc0010"
        assert wrapped[0].project["id"] == shots[0].project.id[0]
        assert wrapped[0]["start_date"] is None
        assert str(wrapped[0]) == "Shot"
        assert wrapped[0] == next(iter(shots.values()))
        assert isinstance(wrapped[0], Shot)
        assert (list(empty.keys()), list(empty.values())) == ([], [])

    def test_collections_are_immutable_so_a_copy_is_the_same(self, shots: Any) -> None:
        assert copy.copy(shots) is shots
        assert copy.deepcopy(shots) is shots

    def test_entities_with_a_composite_key_stay_apart(self, session: LocalSession) -> None:
        """D44"""
        notes = Query(Note, session=session).get_all(projections=["recipients", "recipients.note_id"])
        recipients = notes.recipients
        assert len(recipients) == len(set(recipients.keys()))
        assert all(isinstance(key, tuple) and len(key) == 2 for key in recipients.keys())


class TestTypes:
    def test_a_filter_keeps_one_type(self, session: LocalSession) -> None:
        children = Query(Project, session=session).by_name("demo").get_one(projections=["children"]).children
        assert children.entity_type is TypedContext
        assert {child["object_type_id"] is not None for child in children.values()} == {True}
        kinds = {entity.ftrack_entity.entity_type for entity in children.values()}
        assert kinds == {"Episode", "Folder", "Milestone"}
        assert len(children[Sequence]) == 0
        assert children[TypedContext] == children  # D17: subclasses count

    def test_d18_an_unmatched_filter_on_a_type_without_parent(self, session: LocalSession) -> None:
        users = Query(User, session=session).get_all()
        asked = len(session.expressions)
        assert users.filter(lambda user: False).entity_type is User
        assert users.count(lambda user: False) == 0
        assert not users.intersection(users[:0])
        assert not users.difference(users)
        assert users[Group].entity_type is Group
        # Nor is a parent looked for, where there is one, before somebody wants it.
        shots = Query(Shot, session=session).get_all()
        nothing = [shots.filter(lambda shot: False), shots - shots, shots & shots[:0], shots[Task]]
        assert len(session.expressions) == asked + 1
        assert len(nothing[0].source) > 1
        assert len(session.expressions) == asked + 2

    def test_coercion_to_base_classes(self, shots: Any) -> None:
        assert TypedContext(shots).entity_type is TypedContext
        assert Context(shots).entity_type is Context
        with pytest.raises(AssertionError, match="Shot cannot be used as Task"):
            Task(shots)

    def test_projects_can_be_contexts(self, session: LocalSession) -> None:
        projects = Query(Project, session=session).get_all()
        assert TypedContext(projects).name == projects.name

    def test_d19_typing_an_empty_collection_makes_a_new_one(self, empty: Any) -> None:
        typed = empty[Task]
        assert (typed.entity_type, empty.entity_type) == (Task, Shot)
        assert empty[0] is empty

    def test_calling_a_class_with_anything_else_is_refused(self) -> None:
        with pytest.raises(TypeError, match="collection or an entity"):
            Shot("bc0010")


class TestAttributes:
    def test_scalars_are_lists_with_duplicates(self, session: LocalSession) -> None:
        versions = Query(AssetVersion, session=session).get_all(projections=["comment"])
        assert len(versions.comment) == len(versions)
        assert len(set(versions.comment)) < len(versions)

    def test_unfetched_scalars_are_not_set(self, shots: Any) -> None:
        assert shots.start_date == [NOT_SET] * 6
        assert not any(shots.start_date)

    def test_references_are_unique_collections(self, shots: Any) -> None:
        assert shots.project.entity_type is Project
        assert len(shots.project) == 2
        assert shots.parent.entity_type is TypedContext

    def test_d65_references_that_are_none_are_nothing(self, session: LocalSession) -> None:
        versions = Query(AssetVersion, session=session).get_all(projections=["thumbnail"])
        assert isinstance(versions.thumbnail, EmptyCollection)
        assert versions.thumbnail.entity_type is Component

    def test_arrays_are_flattened(self, session: LocalSession) -> None:
        asset = Query(Asset, session=session).by_name("bc0040_comp").get_one(projections=["versions.version"])
        assert asset.versions.version == [1, 2, 3]
        assert asset.versions.entity_type is AssetVersion

    def test_unfetched_relations_are_empty_and_know_their_source(self, shots: Any) -> None:
        assert isinstance(shots.assets, EmptyCollection)
        assert shots.assets.entity_type is Asset
        assert shots.assets.source is shots
        assert shots.assets.depth == 1

    def test_reading_does_not_lock_an_unfetched_collection(self, session: LocalSession) -> None:
        """The original's issue 4."""
        asset = Query(Asset, session=session).by_name("bc0040_comp").get_one()
        assert not asset.versions
        Query(Asset, session=session).by_name("bc0040_comp").get_one(projections=["versions"])
        assert len(asset.versions) == 3

    def test_mapped_attributes_are_dictionaries(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).by_name("bc0040", "bc0050").get_all(projections=["metadata.value"])
        assert shots.sort(lambda shot: shot.name).metadata == [{"camera": "A"}, {}]

    def test_custom_attributes_by_name(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).by_name("bc0040").get_all(projections=["custom_attributes"])
        assert shots.custom_fstart == [1001]
        assert shots.custom_nonsense == [None]

    def test_d64_reading_a_custom_attribute_does_not_lock_it(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).by_name("bc0040").get_all()
        assert shots.custom_fstart == [None]
        shots.fetch_attributes("custom_attributes")
        assert shots.custom_fstart == [1001]

    def test_class_names_walk_relations(self, session: LocalSession) -> None:
        asset = (
            Query(Asset, session=session)
            .by_name("bc0040_comp")
            .get_one(projections=[AssetVersion, AssetVersion.Task, ComponentLocation.resource_identifier])
        )
        assert len(asset.AssetVersion) == 3
        assert len(asset.AssetVersion.Task) == 1
        assert asset.Component.entity_type is Component
        assert len(asset.ComponentLocation.resource_identifier) == 3

    def test_relations_of_the_studio_are_walked_with_their_filters(self, session: LocalSession) -> None:
        schema = {
            "name": "own",
            "entities": {"Task": {"Shot": "parent[Shot]", "Sequence": "parent[Shot].parent[Sequence]"}},
        }
        question = Query(Task, session=session, schema=schema).not_by_name("editing")
        tasks = question.get_all(projections=["parent.name", "parent.parent.name"])
        assert set(tasks.Shot.name) == set(SHOTS)
        assert tasks.Sequence.name == ["bc"]

    def test_d59_a_class_that_cannot_be_reached_is_an_error(self, shots: Any) -> None:
        with pytest.raises(AttributeError, match=r"Shot has no relation to Sequence.*RELATIONSHIPS_RESOLVER"):
            _ = shots.Sequence

    def test_unknown_attributes_are_errors(self, shots: Any) -> None:
        with pytest.raises(AttributeError, match="Shot has no attribute 'nonsense'"):
            _ = shots.nonsense

    def test_d39_attributes_behind_method_names(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).get_all(projections=["sort"])
        assert callable(shots.sort)
        assert len(shots.attribute("sort")) == len(shots)

    def test_d40_mixed_types_have_their_common_base(self, session: LocalSession) -> None:
        notes = Query(Note, session=session).get_all(projections=["recipients.recipient"])
        assert notes.recipients.attribute("recipient").entity_type is User
        children = Query(Project, session=session).by_name("demo").get_one(projections=["descendants"]).descendants
        assert children.entity_type is TypedContext
        shot = Query(Shot, session=session).by_name("bc0010").get_one()
        shot.link_inputs(Query(Task, session=session).get_first()).link_inputs(
            Query(Sequence, session=session).get_first()
        )
        session.commit()
        shot.fetch_attributes("incoming_links.from.name")
        assert repr(shot.incoming_links.attribute("from")) == "EntityCollection[TypedContext]{2}"
        group = Query(Group, session=session).get_first().client_entities[0]
        recipients = notes.recipients
        with session.operation_recording(False):
            recipients.client_entities[0]["recipient"] = group
        assert recipients.attribute("recipient").entity_type is Resource

    def test_components_of_any_kind_are_components(self, session: LocalSession) -> None:
        version = Query(AssetVersion, session=session).get_first(projections=["components"])
        assert version.components.entity_type is Component
        assert version.components[FileComponent].entity_type is FileComponent

    def test_an_unfetched_step_is_worth_a_warning(self, shots: Any, caplog: pytest.LogCaptureFixture) -> None:
        assert not shots.AssetVersion
        assert [record.name for record in caplog.records] == ["trackteroid.entities.Shot"]
        assert "assets was not fetched" in caplog.text


class TestEmpty:
    def test_chains_stay_harmless_and_typed(self, session: LocalSession, shots: Any) -> None:
        nothing = shots.assets
        assert nothing.versions.task.entity_type is Task
        assert nothing.versions.task.depth == 3
        assert nothing.AssetVersion.entity_type is AssetVersion
        assert nothing.name.anything.at.all() == nothing.name.anything.at.all()
        assert (nothing.versions.version or [0]) == [0]

    def test_methods_of_nothing(self, empty: Any, shots: Any) -> None:
        assert empty.count(len) == 0
        assert empty.map(len) == []
        assert empty.group(len) == {}
        assert empty.group_and_map(len, len) == {}
        assert empty.fold(7, max) == 7
        assert empty.partition(len) == (empty, empty)
        assert empty.to_dicts() == []
        for method in ("filter", "sort", "max", "min", "apply", "fetch_attributes", "link_inputs"):
            assert getattr(empty, method)(len) is empty
        assert empty.difference(shots) is empty
        assert empty.intersection(shots) is empty
        assert empty.union() is empty
        assert empty.union(shots[:2], shots[1:3]) == shots[:3]
        assert empty.symmetric_difference(shots[:2], shots[1:3]) == shots[:1].union(shots[2])
        assert empty.delete() is shots._view.context.session

    def test_assigning_to_nothing_is_refused(self, empty: Any) -> None:
        with pytest.raises(ValueError, match="no entities"):
            empty.name = "x"

    def test_can_be_made_by_hand(self) -> None:
        nothing = EmptyCollection(Shot)  # type: ignore[type-var]
        assert repr(nothing) == "EmptyCollection[Shot]"
        assert nothing.depth == 1
        with pytest.raises(ValueError, match="no session"):
            nothing.commit()
        with pytest.raises(AssertionError, match=r"made by hand.*Query\(Shot\)\.get_all\(\)"):
            nothing.create(name="x")


class TestFunctional:
    def test_map_filter_partition_count_fold(self, shots: Any) -> None:
        assert shots.map(lambda shot: shot.name[0]) == SHOTS
        late = shots.filter(lambda shot: shot.name[0] > "bc0030")
        assert late.name == SHOTS[3:]
        matching, rest = shots.partition(lambda shot: shot.name[0] > "bc0030")
        assert (matching.name, rest.name) == (SHOTS[3:], SHOTS[:3])
        assert shots.count(lambda shot: shot.name[0].endswith("0")) == 6
        assert shots.fold("", lambda text, shot: text + shot.name[0][-2]) == "123451"

    def test_groups_come_in_order_of_appearance(self, shots: Any) -> None:
        groups = shots.group(lambda shot: shot.project.id[0])
        assert [len(group) for group in groups.values()] == [5, 1]
        assert list(shots.group_and_map(lambda shot: shot.name[0][:2], len).items()) == [("bc", 5), ("sp", 1)]

    def test_sorting_is_stable_with_absent_values_first(self, shots: Any) -> None:
        by_first = shots[::-1].sort(lambda shot: shot.name[0][:2])
        assert by_first.name == [*reversed(SHOTS[:5]), "sp010"]
        some = shots.sort(lambda shot: None if shot.name == ["bc0030"] else shot.name)
        assert some.name[0] == "bc0030"
        assert (
            shots.sort(lambda shot: None if shot.name == ["bc0030"] else shot.name, reverse=True).name[-1] == "bc0030"
        )

    def test_d37_keys_may_be_scalars_and_lists(self, shots: Any) -> None:
        assert shots.sort(lambda shot: -int(shot.name[0][-3:])).name[0] == "bc0050"
        assert shots.sort(lambda shot: [None, shot.name[0]]).name == SHOTS
        assert shots.max(lambda shot: shot.name).name == ["sp010"]
        assert shots.min(lambda shot: shot.name).name == ["bc0010"]
        assert shots.sort(lambda shot: shot.assets) == shots

    def test_equal_ones_keep_their_order_in_both_directions(self, shots: Any) -> None:
        assert shots.sort(lambda shot: shot.name[0][:2]).name == SHOTS
        assert shots.sort(lambda shot: shot.name[0][:2], reverse=True).name == [SHOTS[-1], *SHOTS[:-1]]

    def test_of_equal_ones_max_is_the_last_and_min_the_first(self, shots: Any) -> None:
        assert shots.max(lambda shot: 1).name == ["sp010"]
        assert shots.min(lambda shot: 1).name == ["bc0010"]

    def test_to_dicts(self, session: LocalSession, shots: Any) -> None:
        assert shots[:2].to_dicts("name") == [{"name": "bc0010"}, {"name": "bc0020"}]
        versions = (
            Query(AssetVersion, session=session)
            .inject('asset.name is "bc0040_comp"')
            .get_all(projections=["components.name"], order_by="version")
        )
        assert versions[0].to_dicts("asset.name", "components.name") == [
            {"asset.name": "bc0040_comp", "components.name": ["main"]}
        ]

    def test_names_are_completed(self, shots: Any) -> None:
        assert {"name", "status", "custom_attributes", "filter", "to_dicts"} <= set(dir(shots))
        session = LocalSession()
        session.create("TypedContextLink", {"id": "x"}, reconstructing=True)
        names = dir(session.get_cached_collections()[TypedContextLink])
        assert "from_id" in names
        assert "from" not in names  # a keyword, which cannot follow a dot

    def test_to_dicts_takes_what_projections_take(self, session: LocalSession) -> None:
        task = (
            Query(Task, session=session)
            .by_name("compositing")
            .get_first(projections=["parent.name", Status.name, Project.name, "timelogs"])
        )
        (found,) = task.to_dicts(Task.name, "Project.name", Status.name, "parent[Shot].name", "parent[Folder].name")
        assert list(found) == ["name", "Project.name", "status.name", "parent[Shot].name", "parent[Folder].name"]
        assert found["parent[Shot].name"] == task.parent.name[0]
        assert found["parent[Folder].name"] is None
        assert found["Project.name"] == task.Project.name[0]
        assert task.to_dicts("timelogs", "Timelog.duration") == [{"timelogs": [], "Timelog.duration": []}]
        with pytest.raises(AttributeError, match=r"Task\.name is a value, which has no 'first'"):
            task.to_dicts("name.first")
        with pytest.raises(AttributeError, match="nonsense"):
            task.to_dicts("nonsense")
        with pytest.raises(TypeError, match="class chain"):
            task.to_dicts(["name"])


class TestSets:
    def test_order_is_of_self_then_newcomers(self, shots: Any) -> None:
        a, b, c = shots[:3], shots[1:5], shots[2]
        assert a.union(b).name == SHOTS[:5]
        assert b.union(a).name == [*SHOTS[1:5], SHOTS[0]]
        assert a.intersection(b).name == SHOTS[1:3]
        assert a.difference(b).name == SHOTS[:1]
        assert a.symmetric_difference(b).name == [SHOTS[0], SHOTS[3], SHOTS[4]]
        # D36: pairwise, not "in exactly one".
        assert a.symmetric_difference(b, c).name == [SHOTS[0], SHOTS[3], SHOTS[4], SHOTS[2]]

    def test_operators(self, shots: Any, empty: Any) -> None:
        a, b = shots[:3], shots[1:5]
        assert a | b == a.union(b)
        assert a & b == a.intersection(b)
        assert a - b == a.difference(b)
        assert a ^ b == a.symmetric_difference(b)
        assert empty | a == a
        assert not (empty & a)
        assert not (empty - a)
        assert empty ^ a == a
        with pytest.raises(TypeError):
            _ = a | 3

    def test_nothing_left_is_an_empty_collection(self, shots: Any, empty: Any) -> None:
        assert isinstance(shots.difference(shots), EmptyCollection)
        assert shots.union(empty) == shots
        assert isinstance(shots.intersection(empty), EmptyCollection)
        assert shots.symmetric_difference(empty) == shots

    def test_types_must_agree(self, session: LocalSession, shots: Any) -> None:
        tasks = Query(Task, session=session).get_all()
        for method in ("union", "intersection", "difference", "symmetric_difference"):
            with pytest.raises(ValueError, match="Shot and Task"):
                getattr(shots, method)(tasks)
        assert len(TypedContext(shots).union(TypedContext(tasks))) == len(shots) + len(tasks)

    def test_schemas_must_agree(self, session: LocalSession, shots: Any) -> None:
        other = Query(Shot, session=session, schema={"name": "vfx", "entities": {}}).get_all()
        with pytest.raises(ValueError, match="relation schemas"):
            shots.union(other)

    def test_sessions_must_agree(self, shots: Any, fresh_session: LocalSession) -> None:
        other = Query(Shot, session=fresh_session).get_all()
        for method in ("union", "intersection", "difference", "symmetric_difference"):
            with pytest.raises(ValueError, match="different sessions"):
                getattr(shots, method)(other)


class TestFetching:
    def test_only_what_is_missing_is_asked(self, session: LocalSession, shots: Any) -> None:
        asked = len(session.expressions)
        assert shots.fetch_attributes("start_date", Project.name, "name") is shots
        assert len(session.expressions) == asked + 1
        assert session.expressions[-1].startswith(
            "select start_date, project.name, name from TypedContext where (id in ("
        )
        assert NOT_SET not in shots.start_date
        shots.fetch_attributes("start_date", "project.name")
        assert len(session.expressions) == asked + 1

    def test_nothing_wanted_asks_nothing(self, session: LocalSession, shots: Any) -> None:
        asked = len(session.expressions)
        shots.fetch_attributes()
        assert len(session.expressions) == asked

    def test_unknown_attributes_are_refused_before_asking(self, session: LocalSession, shots: Any) -> None:
        asked = len(session.expressions)
        with pytest.raises(AttributeError, match="nonsense"):
            shots.fetch_attributes("name", "project.nonsense")
        assert len(session.expressions) == asked

    def test_local_values_stay(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0040").get_one()
        shot.description = "mine"
        shot.fetch_attributes("description", "start_date")
        assert shot.description == ["mine"]

    def test_filtered_steps_ask_on_that_type(self, session: LocalSession) -> None:
        tasks = Query(Task, session=session).get_all()
        tasks.fetch_attributes("parent[Shot].parent.name")
        parents = tasks.parent
        assert parents[Shot].parent.name[0] in {"bc", "Sparkling Spot", "spot"}

    def test_mapped_attributes_come_with_their_values(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0040").get_one()
        assert shot.metadata == [{}]
        assert shot.fetch_attributes("metadata").metadata == [{"camera": "A"}]

    def test_get_fetches_along_a_relation(self, session: LocalSession) -> None:
        versions = Query(AssetVersion, session=session).get_all(limit=2)
        locations = versions.get(ComponentLocation, projections=["location.name"])
        assert locations.entity_type is ComponentLocation
        assert NOT_SET not in locations.resource_identifier
        with pytest.raises(ValueError, match="no relation"):
            versions.get(Shot)

    def test_d35_query_children(self, session: LocalSession) -> None:
        project = Query(Project, session=session).by_name("demo").get_one()
        children = project.query_children(projections=["description"])
        assert children.entity_type is TypedContext
        assert set(children.name) == {"e01", "assets", "delivery"}
        assert set(children.object_type.name) == {"Episode", "Folder", "Milestone"}


class TestQueries:
    def test_a_result_keeps_its_question(self, session: LocalSession) -> None:
        found = Query(Shot, session=session).by_name("bc%").get_all(projections=["description"])
        text = 'select id, name from Shot where (name like "bc%")'
        assert str(found.query) == text
        assert str(found.as_query(with_projections=True)) == text.replace("name from", "name, description from")
        found.query.by_name("other")
        assert str(found.query) == text

    def test_derived_collections_ask_by_id(self, session: LocalSession, shots: Any) -> None:
        first, second = list(shots.keys())[:2]
        assert str(shots[:2].query) == f'select id, name from Shot where (id in ("{first}","{second}"))'
        assert str(shots.as_query(use_ids=True)).startswith("select id, name from Shot where (id in (")
        assert set(shots[:2].query.get_all().keys()) == {first, second}

    def test_queries_by_composite_keys(self, session: LocalSession) -> None:
        recipients = Query(Note, session=session).get_all(projections=["recipients.note_id"]).recipients
        assert recipients.query.get_all() == recipients


def test_the_root_class_is_entity(shots: Any) -> None:
    assert Entity(shots).entity_type is Entity
    assert isinstance(shots, EntityCollection)
    assert Status.projections == ["id", "name"]
