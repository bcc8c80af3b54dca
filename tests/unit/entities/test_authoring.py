"""Creating, assigning, linking and deleting."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import arrow
import ftrack_api.exception
import ftrack_api.operation
import pytest

from tests.support.local_session import LocalSession
from trackteroid import configuration
from trackteroid.entities import (
    Asset,
    AssetBuild,
    AssetVersion,
    AssetVersionList,
    Component,
    ComponentLocation,
    ListCategory,
    Note,
    NoteCategory,
    Project,
    Recipient,
    ReviewSession,
    Sequence,
    Shot,
    Status,
    Task,
    Timelog,
    TypedContext,
    User,
)
from trackteroid.entities.base import EmptyCollection, EntityCollectionOperationError
from trackteroid.entities.values import NOT_SET
from trackteroid.query import Query

UNMANAGED = "cb268ecc-8809-11e3-a7e2-20c9d081909b"


def operations(session: LocalSession) -> list[tuple[Any, ...]]:
    """Return the pending operations in short."""
    short: list[tuple[Any, ...]] = []
    for operation in session.recorded_operations:
        kind = type(operation).__name__.removesuffix("EntityOperation").lower()
        if kind == "create":
            data = {name: value for name, value in operation.entity_data.items() if name != "id"}
            short.append((kind, operation.entity_type, data))
        elif kind == "update":
            value = operation.new_value
            shown = value.entity_type if hasattr(value, "entity_type") else value
            short.append((kind, f"{operation.entity_type}.{operation.attribute_name}", shown))
        else:
            short.append((kind, operation.entity_type))
    return short


def publish(session: LocalSession) -> Any:
    return (
        Query(Asset, session=session)
        .by_name("bc0040_comp")
        .get_one(projections=[AssetVersion, AssetVersion.Task, Component, ComponentLocation.resource_identifier])
    )


class TestCreate:
    def test_the_missions_publish_records_exactly_these_operations(self, session: LocalSession) -> None:
        asset = publish(session)
        asked = len(session.requests)
        version = asset.AssetVersion.create(task=asset.AssetVersion.Task)
        component = version.Component.create(name="main")
        component.ComponentLocation.create(resource_identifier="/path/to/final/file")
        version.is_published = True
        assert operations(session) == [
            ("create", "AssetVersion", {"comment": "", "is_published": True}),
            ("update", "AssetVersion.task", "Task"),
            ("update", "AssetVersion.asset", "Asset"),
            ("create", "Component", {"name": "main", "size": 0}),
            ("update", "Component.version", "AssetVersion"),
            ("create", "ComponentLocation", {"resource_identifier": "/path/to/final/file", "location_id": UNMANAGED}),
            ("update", "ComponentLocation.component", "Component"),
            ("update", "AssetVersion.is_published", True),
        ]
        # The parent is known from where the versions were read: nothing is asked for it.
        assert len(session.requests) == asked

    def test_what_is_created_is_there_after_a_commit(self, fresh_session: LocalSession) -> None:
        session = fresh_session
        asset = publish(session)
        version = asset.AssetVersion.create(task=asset.AssetVersion.Task)
        version.Component.create(name="main").ComponentLocation.create(resource_identifier="/x")
        version.commit()
        found = (
            Query(AssetVersion, session=session)
            .by_id(*version.keys())
            .get_one(projections=[ComponentLocation.resource_identifier, "asset", "task"])
        )
        assert found == version
        assert found.ComponentLocation.resource_identifier == ["/x"]
        assert found.asset == asset
        assert found.version == [4]

    def test_a_whole_tree_in_one_commit(self, fresh_session: LocalSession) -> None:
        session = fresh_session
        sequence = Query(Sequence, session=session).by_name("dd").get_one(projections=["children"])
        shot = sequence.children[Shot].create(name="dd0010")
        tasks = shot.children[Task].create_batch(
            {"name": "comp", "type": "Compositing"}, {"name": "light", "type": "Lighting"}
        )
        asset = shot.assets.create(name="dd0010_comp", type="Composite")
        version = asset.AssetVersion.create(task=tasks[0])
        session.commit()
        found = (
            Query(Shot, session=session)
            .by_name("dd0010")
            .get_one(projections=["parent", "children.name", AssetVersion, "project"])
        )
        assert found.parent == sequence
        assert set(found.children.name) == {"comp", "light"}
        assert found.AssetVersion == version
        assert tasks.entity_type is Task

    def test_siblings_share_their_parent(self, session: LocalSession) -> None:
        task = Query(Task, session=session).by_name("compositing").inject('parent.name is "bc0040"').get_one()
        parent = Query(Shot, session=session).by_name("bc0040").get_one()
        created = task.create(name="roto", type="Compositing")
        assert created.parent == parent
        assert created.entity_type is Task

    def test_several_parents_are_ambiguous(self, session: LocalSession) -> None:
        tasks = Query(Task, session=session).by_name("compositing").get_all()
        with pytest.raises(AssertionError, match="Ambiguous context"):
            tasks.create(name="roto", type="Compositing")
        assert not operations(session)

    def test_what_a_filter_left_empty_remembers_the_parents(self, session: LocalSession) -> None:
        tasks = Query(Task, session=session).by_name("compositing").get_all()
        nothing = tasks.intersection(tasks[:0])
        with pytest.raises(AssertionError, match="Ambiguous context"):
            nothing.create(name="roto", type="Compositing")
        one = tasks[0].filter(lambda task: False).create(name="roto", type="Compositing")
        assert one.parent == tasks[0].parent

    def test_no_parent_without_an_owner(self, session: LocalSession) -> None:
        nothing = Query(Shot, session=session).by_name("none").get_all()
        with pytest.raises(AssertionError, match="result of a query"):
            nothing.create(name="x")
        with pytest.raises(AssertionError, match="does not exist"):
            nothing.children.children.create(name="x")

    def test_parentless_types_can_be_created_on_an_empty_result(self, session: LocalSession) -> None:
        nothing = Query(Project, session=session).by_name("none").get_all()
        project = nothing.create(name="new", project_schema="Production")
        assert project.full_name == ["new"]
        assert operations(session)[0][2]["name"] == "new"

    def test_a_parent_may_be_named_or_left_out(self, session: LocalSession) -> None:
        parent = Query(Sequence, session=session).by_name("dd").get_one()
        shots = Query(Shot, session=session).by_name("bc%").get_all()
        assert shots.create(name="x", parent=parent).parent == parent
        assert shots.create(name="y", parent_id=parent.id[0]).parent_id == parent.id
        assert not shots.create(name="z", no_parent=True).parent

    @pytest.mark.parametrize(
        ("entity_class", "arguments", "missing"),
        [
            (Asset, {"name": "x"}, "type"),
            (Asset, {"type": "Composite"}, "name"),
            (AssetVersion, {}, "task"),
            (Task, {"name": "x"}, "type"),
            (Shot, {}, "name"),
            (AssetBuild, {}, "name"),
            (Project, {"name": "x"}, "project_schema"),
            (ComponentLocation, {}, "resource_identifier"),
            (ReviewSession, {"name": "x"}, "project"),
        ],
    )
    def test_missing_arguments_are_named_before_anything_is_recorded(
        self, session: LocalSession, entity_class: Any, arguments: dict[str, Any], missing: str
    ) -> None:
        with pytest.raises(AssertionError, match=f"'{missing}' is missing"):
            Query(entity_class, session=session).get_all(limit=1).create(**arguments)
        assert not operations(session)

    @pytest.mark.parametrize("task", [None, EmptyCollection(Task)])  # type: ignore[type-var]
    def test_nothing_is_no_argument(self, session: LocalSession, task: Any) -> None:
        asset = Query(Asset, session=session).get_first(projections=["versions.version"])
        with pytest.raises(AssertionError, match="'task' is missing"):
            asset.versions.create(task=task)
        assert not operations(session)

    def test_unknown_names_list_the_known_ones(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0040").get_one()
        with pytest.raises(AssertionError, match=r"no AssetType 'Nonsense'.*Composite"):
            shot.assets.create(name="x", type="Nonsense")
        assert not operations(session)

    def test_wrong_arguments_are_refused_before_anything_is_recorded(self, session: LocalSession) -> None:
        asset = publish(session)
        tasks = Query(Task, session=session).get_all()
        for arguments, complaint in (
            ({"task": tasks}, "exactly one Task"),
            ({"task": asset}, "takes Task, not Asset"),
            ({"task": tasks[0], "version": "three"}, "takes int, not str"),
            ({"task": tasks[0], "nonsense": 1}, "no attribute 'nonsense'"),
        ):
            with pytest.raises(AssertionError, match=complaint):
                asset.versions.create(**arguments)
        assert not operations(session)

    def test_an_owner_of_the_wrong_type_is_refused(self, session: LocalSession) -> None:
        version = Query(AssetVersion, session=session).get_first(projections=["uses_versions", "task"])
        with pytest.raises(AssertionError, match="takes Asset, not AssetVersion"):
            version.uses_versions.create(task=version.task)

    def test_one_entity_collections_are_converted_for_every_type(self, session: LocalSession) -> None:
        project = Query(Project, session=session).by_name("demo").get_one()
        category = Query(ListCategory, session=session).get_first()
        made = Query(AssetVersionList, session=session).get_all().create(name="x", project=project, category=category)
        assert made.project == project
        review = Query(ReviewSession, session=session).get_all().create(name="r", project=project)
        assert review.project == project

    def test_timelogs_belong_to_a_user(self, session: LocalSession) -> None:
        user = Query(User, session=session).by_name("anna").get_one()
        timelog = user.timelogs.create(duration=3600, start=datetime(2024, 3, 1, 9))
        assert timelog.user == user
        assert timelog.entity_type is Timelog

    def test_a_batch_of_nothing_is_nothing(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).get_all()
        assert isinstance(shots.create_batch(), EmptyCollection)
        assert isinstance(shots[:0].create_batch(), EmptyCollection)


class TestParents:
    def test_a_part_of_what_several_own_has_the_parents_of_that_part(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).by_name("bc0010", "bc0020").get_all(projections=["children.name"])
        first = shots[1].children[Task][0]
        (part,) = [task for task in shots.children[Task] if task == first]
        assert part.create(name="new", type="Modeling").parent == shots[1]
        with pytest.raises(AssertionError, match="here are 2"):
            shots.children[Task].create(name="new", type="Modeling")


class TestEnsure:
    def test_what_is_there_is_returned_and_brought_up_to_date(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0010").get_one(projections=["assets.name", "parent"])
        found = shot.assets.ensure(name="bc0010_comp", type="Composite")
        assert found == shot.assets
        assert not operations(session)
        assert shot.ensure(name="bc0020", description="Again.").name == ["bc0020"]
        assert operations(session) == [("update", "Shot.description", "Again.")]

    def test_what_is_not_is_created_once(self, session: LocalSession) -> None:
        shot, other = Query(Shot, session=session).by_name("bc0010", "bc0020").get_all(order_by="name")
        made = shot.assets.ensure(name="roto", type="Upload")
        assert made.parent == shot
        assert shot.assets.ensure(name="roto", type="Upload") == made
        assert [kind for kind, *_ in operations(session)].count("create") == 1
        # Of that name, but of another parent.
        assert other.assets.ensure(name="roto", type="Upload") != made

    @pytest.mark.parametrize("identified_by", ["name", ["name"], ("name", "type")])
    def test_it_is_recognised_by_what_is_named(self, session: LocalSession, identified_by: Any) -> None:
        shot = Query(Shot, session=session).by_name("bc0010").get_one()
        made = shot.assets.ensure(name="roto", type="Upload", identified_by=identified_by)
        again = shot.assets.ensure(name="roto", type="Geometry", identified_by=identified_by)
        assert (again == made) is ("type" not in identified_by)
        assert again.type.name == ["Geometry"]

    def test_what_is_wrong_is_said_and_leaves_nothing_behind(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0010").get_one()
        for arguments, complaint in (
            ({"type": "Upload"}, "'name' is missing"),
            ({"name": "x", "type": "Nonsense"}, "no AssetType 'Nonsense'"),
            ({"name": "x", "type": "Upload", "identified_by": ["colour"]}, "'colour' is missing"),
        ):
            with pytest.raises(AssertionError, match=complaint):
                shot.assets.ensure(**arguments)
        with pytest.raises(AssertionError, match="does not exist"):
            Query(Shot, session=session).by_name("none").get_all().assets.ensure(name="x", type="Upload")
        assert not operations(session)

    def test_several_that_fit_are_an_error(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0010").get_one(projections=["children"])
        status = Query(Status, session=session).by_name("Not started").get_one()
        with pytest.raises(ftrack_api.exception.MultipleResultsFoundError):
            shot.children[Task].ensure(name="x", type="Animation", status=status, identified_by=["status"])


class TestNotes:
    def test_on_an_entity_without_notes(self, fresh_session: LocalSession) -> None:
        session = fresh_session
        shot = Query(Shot, session=session).by_name("bc0010").get_one()
        note = shot.notes.create(content="hello")
        assert note.author.username == [session.api_user]
        session.commit()
        found = (
            Query(Note, session=session)
            .inject(f'parent_id is "{shot.id[0]}"')
            .get_one(projections=["recipients.recipient", "author"])
        )
        assert found.content == ["hello"]
        assert found.recipients.attribute("recipient") == found.author

    def test_beside_other_notes(self, session: LocalSession) -> None:
        version = (
            Query(AssetVersion, session=session)
            .by_id(Note, *Query(Note, session=session).by_name(User, "ben").get_one().keys())
            .get_one(projections=["notes"])
        )
        recipients = Query(User, session=session).by_name("anna", "ben").get_all()
        category = Query(NoteCategory, session=session).get_first()
        note = version.notes.create(content="again", recipients=recipients, category=category)
        assert note.parent_id == version.id
        assert note.category == category
        created = [operation for operation in operations(session) if operation[0] == "create"]
        assert [kind for _, kind, _ in created] == ["Note", "Recipient", "Recipient"]

    def test_a_note_on_a_note_is_a_reply(self, fresh_session: LocalSession) -> None:
        session = fresh_session
        note = Query(Shot, session=session).by_name("bc0010").get_one().notes.create(content="question")
        first = note.replies.create(content="answer")
        assert first.in_reply_to_id == note.id
        session.commit()
        note.fetch_attributes("replies.content")
        assert note.replies == first
        second = note.replies.create(content="another answer")
        third = Query(Note, session=session).by_id(*first.id).get_one().create(content="and another")
        session.commit()
        found = Query(Note, session=session).by_id(*note.id).get_one(projections=["replies.content"])
        assert sorted(found.replies.content) == ["and another", "another answer", "answer"]
        assert {*second.id, *third.id} < set(found.replies.keys())
        # They are in its thread, not beside it.
        shot = Query(Shot, session=session).by_name("bc0010").get_one(projections=["notes.content"])
        assert shot.notes == note

    def test_who_names_a_parent_names_its_type(self, session: LocalSession) -> None:
        shot, other = Query(Shot, session=session).get_all(limit=2)
        with pytest.raises(AssertionError, match="parent_type"):
            shot.notes.create(content="x", parent_id=other.id[0])
        note = shot.notes.create(content="x", parent_id=other.id[0], parent_type="Shot")
        assert note.parent_id == other.id

    def test_recipients_may_be_those_of_other_notes_each_once(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0010").get_one()
        user = Query(User, session=session).by_name("anna").get_one()
        first, second = (shot.notes.create(content=text, recipients=user) for text in ("one", "two"))
        session.commit()
        recipients = Query(Recipient, session=session).by_id(*((note.id[0], user.id[0]) for note in (first, second)))
        shot.notes.create(content="three", recipients=recipients.get_all())
        assert [kind for kind, *_ in operations(session)].count("create") == 2  # the note and one recipient

    def test_recipients_are_of_this_session(self, session: LocalSession, fresh_session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0010").get_one()
        with pytest.raises(EntityCollectionOperationError, match="different sessions"):
            shot.notes.create(content="x", recipients=Query(User, session=fresh_session).get_all())
        assert not operations(session)

    def test_after_a_reconnect_none_is_created(self, fresh_session: LocalSession) -> None:
        notes = Query(Note, session=fresh_session).get_first()
        fresh_session.reconnect()
        with pytest.raises(EntityCollectionOperationError, match=r"Cannot create Note: .*reconnected"):
            notes.create(content="x")

    def test_wrong_arguments_leave_nothing_behind(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0010").get_one()
        task = Query(Task, session=session).get_first()
        for arguments in ({"category": task}, {"author": task}, {"recipients": task}, {"content": 3}):
            with pytest.raises(AssertionError, match=r"Note\.create"):
                shot.notes.create(**arguments)
        shots = Query(Shot, session=session).get_all()
        with pytest.raises(AssertionError, match="Ambiguous context"):
            shots.notes.create(content="x")
        assert not operations(session)


class TestAssign:
    def test_one_scalar(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0040").get_one()
        shot.description = "one"
        shot.description = ["two"]
        assert operations(session) == [
            ("update", "Shot.description", "one"),
            ("update", "Shot.description", "two"),
        ]

    def test_many_scalars_element_by_element(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).get_all(limit=2)
        shots.description = ["a", "b"]
        assert shots.description == ["a", "b"]
        with pytest.raises(TypeError, match=r"apply\(\)"):
            shots.description = "c"
        with pytest.raises(TypeError, match="lengths differ, 1 values for 2"):
            shots.description = ["c"]

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("version", "1", "int"),
            ("version", True, "int"),
            ("version", 1.5, "int"),
            ("comment", 3, "str"),
            ("is_published", 1, "bool"),
            ("date", 3, "datetime"),
            ("task", "x", "Task"),
            ("components", "x", "Component"),
            ("metadata", [], "dict"),
        ],
    )
    def test_types_are_checked(self, session: LocalSession, name: str, value: Any, expected: str) -> None:
        version = Query(AssetVersion, session=session).get_first()
        with pytest.raises(TypeError, match=expected):
            setattr(version, name, value)
        assert not operations(session)

    def test_every_element_is_checked_before_anything_is_recorded(self, session: LocalSession) -> None:
        """D33b"""
        versions = Query(AssetVersion, session=session).get_all(limit=3)
        with pytest.raises(TypeError):
            versions.comment = ["a", "b", 3]
        tasks = Query(Task, session=session).get_all(limit=2)
        with pytest.raises(TypeError):
            versions.task = [tasks[0], tasks[1], versions[0]]
        assert not operations(session)

    def test_none_clears(self, session: LocalSession) -> None:
        version = Query(AssetVersion, session=session).get_first(projections=["task"])
        version.task = None
        version.comment = None
        assert [value for _, _, value in operations(session)] == [None, None]
        version.task = Query(Task, session=session).by_name("none").get_all()
        assert operations(session)[-1] == ("update", "AssetVersion.task", None)

    @pytest.mark.parametrize("value", [datetime(2024, 1, 2), arrow.get("2024-01-02"), "2024-01-02"])
    def test_dates(self, session: LocalSession, value: Any) -> None:
        shot = Query(Shot, session=session).by_name("bc0040").get_one()
        shot.end_date = value
        assert shot.end_date == [value]

    def test_references(self, session: LocalSession) -> None:
        tasks = Query(Task, session=session).get_all(limit=2, projections=["parent"])
        shots = Query(Shot, session=session).get_all(limit=2)
        tasks.parent = shots  # D41, and a Shot is a Context
        assert [value for _, _, value in operations(session)] == ["Shot", "Shot"]
        assert tasks.parent == shots
        with pytest.raises(TypeError, match="lengths differ"):
            tasks.parent = shots[0]

    def test_arrays(self, session: LocalSession) -> None:
        version = Query(AssetVersion, session=session).get_first(projections=["components"])
        other = Query(Component, session=session).get_all(limit=2)
        version.components = other
        assert version.components == other
        # Each once: the client refuses repetitions in the middle.
        version.components = [other[0], other, other[1]]
        assert version.components == other
        version.components = other[:0]
        assert not version.components

    def test_mappings_are_merged_and_an_empty_one_clears(self, fresh_session: LocalSession) -> None:
        session = fresh_session
        shot = Query(Shot, session=session).by_name("bc0040").get_one()
        shot.metadata = {"lens": "35"}
        session.commit()
        again = Query(Shot, session=session).by_name("bc0040").get_one(projections=["metadata.value"])
        assert again.metadata == [{"camera": "A", "lens": "35"}]
        again.metadata = {}
        session.commit()
        session.reset()
        last = Query(Shot, session=session).by_name("bc0040").get_one(projections=["metadata.value"])
        assert last.metadata == [{}]

    def test_custom_attributes(self, fresh_session: LocalSession) -> None:
        """D58"""
        session = fresh_session
        shot = Query(Shot, session=session).by_name("bc0040").get_one()
        shot.custom_fstart = 1010
        with pytest.raises(AttributeError, match="nonsense"):
            shot.custom_nonsense = 1
        session.commit()
        session.reset()
        again = Query(Shot, session=session).by_name("bc0040").get_one(projections=["custom_attributes"])
        assert again.custom_fstart == [1010]

    def test_custom_attributes_in_a_dictionary_are_checked_before_any_is_recorded(
        self, fresh_session: LocalSession
    ) -> None:
        """D33b"""
        session = fresh_session
        known = Query(Shot, session=session).by_name("bc0040").get_one(projections=["children.name"])
        new = known.children[Task].create(name="new", type="Modeling")
        before = operations(session)
        for shot, key in ((known, "fstart"), (new, "fps")):
            with pytest.raises(AttributeError, match="nonsense"):
                shot.custom_attributes = {key: 7, "nonsense": 1}
            with pytest.raises(TypeError, match=f"custom_{key} takes int or float, not str"):
                shot.custom_attributes = {key: "seven"}
            assert operations(session) == before
            shot.custom_attributes = {key: 7}
            assert shot.attribute(f"custom_{key}") == [7]
            before = operations(session)

    def test_class_shortcuts_write_the_last_attribute(self, session: LocalSession) -> None:
        version = Query(AssetVersion, session=session).get_first()
        task = Query(Task, session=session).get_first()
        status = Query(Status, session=session).get_first()
        version.Task = task  # the original's issue 17: it was never fetched
        version.Task.Status = status
        assert operations(session) == [
            ("update", "AssetVersion.task", "Task"),
            ("update", "Task.status", "Status"),
        ]

    def test_immutable_attributes(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).get_all(limit=2)
        with pytest.raises(ftrack_api.exception.ImmutableAttributeError):
            shots.id = ["a", "b"]
        assert not operations(session)
        # The client lets an immutable attribute be set that has no value here yet; then it is all or nothing too.
        shots[1].fetch_attributes("end_date")
        with pytest.raises(ftrack_api.exception.ImmutableAttributeError):
            shots.end_date = ["2024-05-01", "2024-05-02"]
        assert not operations(session)

    def test_methods_and_unknown_names_cannot_be_assigned(self, session: LocalSession) -> None:
        shot = Query(Shot, session=session).by_name("bc0040").get_one()
        with pytest.raises(AttributeError, match="set_attribute"):
            shot.sort = 3
        shot.set_attribute("sort", 3)
        assert shot.attribute("sort") == [3]
        with pytest.raises(AttributeError, match="nonsense"):
            shot.nonsense = 3

    def test_apply_sets_the_same_on_all(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).get_all()
        assert shots.apply(lambda shot: f"about {shot.name[0]}" if shot.name else "", "description")[0].startswith(
            "about"
        )
        status = Query(Status, session=session).get_first()
        tasks = Query(Task, session=session).get_all(projections=["status"])
        assert tasks.Status.apply(lambda task: status) == status
        assert {value for _, name, value in operations(session) if name == "Task.status"} == {"Status"}
        with pytest.raises(EntityCollectionOperationError, match="attribute_name"):
            shots.apply(lambda shot: "x")

    def test_a_union_was_read_from_an_attribute_only_if_all_of_it_was(self, session: LocalSession) -> None:
        tasks = Query(Task, session=session).get_all(projections=["status"])
        others = Query(Status, session=session).get_all()
        for joined in (tasks.status | others, tasks.status ^ others, others | tasks.status):
            with pytest.raises(EntityCollectionOperationError, match="attribute_name"):
                joined.apply(lambda task: others[0])
        assert (tasks.status | tasks.status).apply(lambda task: others[0]) == others[0]

    def test_what_is_looked_at_as_another_class_was_read_from_the_same_attribute(self, session: LocalSession) -> None:
        task = Query(Task, session=session).by_name("compositing").get_first(projections=["parent.name"])
        other = Query(Shot, session=session).by_name("bc0010").get_one()
        for parent in (task.parent, task.parent[Shot], TypedContext(task.parent[Shot])):
            parent.apply(lambda one: other)
            assert task.parent == other
        assert operations(session) == [("update", "Task.parent", "Shot")] * 3

    def test_apply_takes_what_reading_a_single_entity_gives(self, session: LocalSession) -> None:
        shots = Query(Shot, session=session).get_all(projections=["custom_attributes"])
        assert shots.apply(lambda shot: shot.name, "description") == shots.name
        assert shots.apply(lambda shot: shot.custom_fstart, "custom_fend") == shots.custom_fstart
        with pytest.raises(TypeError, match="takes str, not list"):
            shots.description = [["one", "two"], *([["x"]] * (len(shots) - 1))]

    def test_other_sessions_are_refused(self, session: LocalSession, fresh_session: LocalSession) -> None:
        version = Query(AssetVersion, session=session).get_first()
        foreign = Query(Task, session=fresh_session).get_first()
        with pytest.raises(EntityCollectionOperationError, match="different sessions"):
            version.task = foreign
        for bare in (foreign.client_entities[0], next(iter(foreign.values()))):
            with pytest.raises(EntityCollectionOperationError, match="another session"):
                version.task = bare
        with pytest.raises(EntityCollectionOperationError, match="different sessions"):
            version.create(task=foreign)
        assert not operations(session)
        assert not operations(fresh_session)


class TestLinks:
    def test_pairs_are_linked_once(self, fresh_session: LocalSession) -> None:
        session = fresh_session
        shots = Query(Shot, session=session).get_all()
        builds = Query(AssetBuild, session=session).get_all()
        assert shots[0].link_inputs(builds) == shots[0]
        shots[0].link_inputs(builds)
        assert len([1 for operation in operations(session) if operation[0] == "create"]) == len(builds)
        session.commit()
        shots[0].link_inputs(builds[0])
        assert not operations(session)
        inputs = Query(Shot, session=session).by_id(*shots[0].keys()).get_inputs(AssetBuild)
        assert set(inputs.keys()) == set(builds.keys())
        outputs = Query(AssetBuild, session=session).by_id(*builds[0].keys()).get_outputs(Shot)
        assert outputs == shots[0]

    def test_links_are_deleted(self, fresh_session: LocalSession) -> None:
        session = fresh_session
        versions = Query(AssetVersion, session=session).get_all(limit=3)
        versions[0].link_outputs(versions[1:])
        session.commit()
        versions[0].unlink_outputs(versions[1])
        versions[0].unlink_inputs(versions[1])  # D18: nothing matches
        session.commit()
        session.reset()
        linked = Query(AssetVersion, session=session).by_id(*versions[0].keys()).get_outputs()
        assert list(linked.keys()) == [versions.id[2]]

    def test_pending_links_and_unlinks_count(self, fresh_session: LocalSession) -> None:
        session = fresh_session
        first, second, third = Query(AssetVersion, session=session).get_all(limit=3)

        def outputs() -> list[str]:
            session.commit()
            linked = Query(AssetVersion, session=session).by_id(*first.id).get_outputs()
            return sorted(linked.keys())

        first.link_outputs(second).link_outputs(third).unlink_outputs(third)
        assert outputs() == second.id
        # Unlinked twice: one delete, as the server refuses the second.
        first.unlink_outputs(second).unlink_outputs(second)
        assert operations(session) == [("delete", "AssetVersionLink")]
        # The one that is going to be deleted is none that is there.
        first.link_outputs(second)
        assert outputs() == second.id
        first.unlink_outputs(second)
        session.rollback()
        first.unlink_outputs(second)
        assert outputs() == []

    def test_linking_one_by_one_costs_in_proportion_to_the_links(self, session: LocalSession) -> None:
        looked_at = 0

        class Counting(ftrack_api.operation.Operations):  # type: ignore[misc]
            def __iter__(self) -> Any:
                return iter(Watched(super().__iter__()))

        class Watched:
            def __init__(self, inner: Any) -> None:
                self.inner = inner

            def __iter__(self) -> Any:
                return self

            def __setstate__(self, position: int) -> None:
                self.inner.__setstate__(position)

            def __next__(self) -> Any:
                nonlocal looked_at
                looked_at += 1
                return next(self.inner)

        session.push_operations(Counting())
        shots = Query(Shot, session=session).get_all()
        try:
            for shot in shots:
                for other in shots:
                    shot.link_outputs(other)
            # One look for each operation, and for each call two at its end: is the last one still there, and are there more?
            assert looked_at <= len(session.recorded_operations) + 5 * len(shots) ** 2
        finally:
            session.pop_operations()

    def test_nothing_linked_is_an_empty_collection(self, session: LocalSession) -> None:
        found = Query(Shot, session=session).by_name("bc0010").get_inputs(Task)
        assert isinstance(found, EmptyCollection)
        assert found.entity_type is Task

    def test_linking_nothing_is_worth_a_warning(self, session: LocalSession, caplog: pytest.LogCaptureFixture) -> None:
        shots = Query(Shot, session=session).get_all()
        shots.link_inputs(shots[:0])
        assert "Nothing to link" in caplog.text

    @pytest.mark.parametrize("method", ["link_inputs", "link_outputs", "unlink_inputs", "unlink_outputs"])
    def test_what_cannot_be_linked_is_refused(
        self, session: LocalSession, fresh_session: LocalSession, method: str
    ) -> None:
        shot = Query(Shot, session=session).by_name("bc0010").get_one()
        change = getattr(shot, method)
        with pytest.raises(EntityCollectionOperationError, match="different sessions"):
            change(Query(Shot, session=fresh_session).get_all())
        with pytest.raises(EntityCollectionOperationError, match="Shot cannot be linked to AssetVersion"):
            change(Query(AssetVersion, session=session).get_first())
        with pytest.raises(TypeError, match="Only collections"):
            change("bc0020")
        assert not operations(session)

    def test_types_without_links_are_refused(self, session: LocalSession) -> None:
        users = Query(User, session=session).get_all()
        with pytest.raises(EntityCollectionOperationError, match="no links"):
            users.link_inputs(users)


class TestDelete:
    def test_marks_each_and_returns_the_session(
        self, fresh_session: LocalSession, caplog: pytest.LogCaptureFixture
    ) -> None:
        session = fresh_session
        shots = Query(Shot, session=session).by_name("bc0010", "bc0020").get_all()
        with caplog.at_level("INFO"):
            assert shots.delete() is session
        assert operations(session) == [("delete", "Shot")] * 2
        assert [r.name for r in caplog.records if "deletion" in r.message] == ["trackteroid.entities.Shot"] * 2
        session.commit()
        assert not Query(Shot, session=session).by_name("bc0010").get_all()

    def test_what_is_marked_is_not_marked_again(self, fresh_session: LocalSession) -> None:
        session = fresh_session
        shots = Query(Shot, session=session).by_name("bc0010", "bc0020").get_all()
        shots[0].delete()
        shots.delete()
        assert operations(session) == [("delete", "Shot")] * 2
        session.rollback()
        shots[0].delete().commit()
        assert len(Query(Shot, session=session).by_name("bc0010", "bc0020").get_all()) == 1

    def test_the_studio_may_forbid_it(self, session: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            configuration,
            "ALLOWED_FOR_DELETION_RESOLVER",
            lambda session, type_name: type_name != "Shot",
            raising=False,
        )
        with pytest.raises(AssertionError, match=r"Shot on http://sandbox\.invalid"):
            Query(Shot, session=session).get_all().delete()
        assert not operations(session)


class TestReconnected:
    def test_collections_from_before_can_be_read_only(self, fresh_session: LocalSession) -> None:
        """D30"""
        session = fresh_session
        shots = Query(Shot, session=session).get_all(projections=["description"])
        names, description = shots.name, shots[0].description
        session.reconnect()
        assert shots.name == names
        assert shots[0].description == description
        task = Query(Task, session=session).get_first()
        for write in (
            lambda: setattr(shots[0], "description", "x"),
            lambda: shots.create(name="x"),
            lambda: shots.fetch_attributes("start_date"),
            lambda: shots.union(shots),
            lambda: shots.delete(),
            lambda: shots.commit(),
            lambda: setattr(task, "parent", shots[0]),
        ):
            with pytest.raises(EntityCollectionOperationError, match=r"reconnected|different sessions"):
                write()
        assert shots.start_date == [NOT_SET] * len(shots)
        assert not operations(session)


def test_a_class_name_is_assigned_through_steps_that_were_not_fetched(session: LocalSession) -> None:
    version = Query(AssetVersion, session=session).get_first()
    assert not version.task
    other = Query(Project, session=session).get_all()[-1]
    version.Project = other
    assert version.task.project == other
    (operation,) = session.recorded_operations
    assert (operation.entity_type, operation.attribute_name) == ("Task", "project")
