"""A project with something of every kind that can hang below one, twice: one that all see, one that is private.

The private part comes last and nothing public depends on it, except where `crossing_rows` says so: the world without the private
part is what a user without access must take the whole world for.
"""

from __future__ import annotations

from typing import Any

from trackteroid.sandbox.api import Api

__all__ = ["OUTSIDER", "Operations", "add_people", "crossing_rows", "project_rows"]

OUTSIDER = "outsider"
Operations = list[dict[str, Any]]
_MOMENT = "2024-03-01T09:30:00"


class _World:
    def __init__(self, prefix: str) -> None:
        self.operations: Operations = []
        self._prefix = prefix

    def __call__(self, label: str) -> str:
        return f"{self._prefix}-{label}"

    def add(self, entity_type: str, label: str = "", /, **data: Any) -> str:
        if label:
            data["id"] = self(label)
        self.operations.append({"action": "create", "entity_type": entity_type, "entity_data": data})
        return str(data.get("id"))


def add_people(api: Api) -> None:
    """The user who sees less than others, and what everybody sees."""
    world = _World("common")
    world.add("User", OUTSIDER, username=OUTSIDER, is_active=True)
    world.add("NoteLabel", "label", name="label")
    world.add("ListCategory", "category", name="category")
    world.add("Scope", "scope", name="scope")
    world.add("UserSecurityRole", "role", user_id=_api_user(api))
    world.add("Job", "job", status="done")
    world.add("Setting", name="logo", group="LOOK", value="x")
    world.add("Location", "location", name="studio")
    world.add("FileComponent", "picture", name="picture")
    for kind, entity_type in (("asset", "asset"), ("list", "list"), ("listobject", "listobject"), ("user", "user")):
        _configuration(world, kind, entity_type=entity_type)
    _configuration(world, "hierarchical", entity_type="show", is_hierarchical=True)
    world.add(
        "CustomAttributeLinkConfiguration", "links", key="links", entity_type="show", entity_type_to="task", config="{}"
    )
    api.apply(world.operations, user_id=_api_user(api))


def _configuration(world: _World, label: str, **data: Any) -> str:
    return world.add(
        "CustomAttributeConfiguration",
        f"{label}-configuration",
        key=world(f"{label}-key"),
        label=label,
        default=world(f"{label}-default"),
        config="{}",
        **data,
    )


def _api_user(api: Api) -> str:
    (identifier,) = api.storage.column('SELECT "id" FROM "Resource" WHERE "username" = \'sandbox\'')
    return str(identifier)


def project_rows(prefix: str, *, private: bool) -> Operations:
    """A project and what hangs below it. Every text in it, and every id that is not common, starts with the prefix."""
    world = _World(prefix)
    _contexts(world, private)
    _assets(world)
    _talk(world)
    _planning(world)
    _review(world)
    _custom(world)
    return world.operations


def _contexts(world: _World, private: bool) -> None:
    project = world.add(
        "Project", "project", name=world("project"), full_name=world("Project"), is_private=private, root=world("root")
    )
    shot = world.add("Shot", "shot", name=world("shot"), parent_id=project, thumbnail_id=None)
    for name in ("task", "other-task"):
        world.add("Task", name, name=world(name), parent_id=shot, description=world("description"))
    world.add("TypedContextLink", "context-link", from_id=world("task"), to_id=world("other-task"))
    world.add("Appointment", "appointment", context_id=world("task"), resource_id="common-outsider", type="assignment")
    world.add("Manager", "manager", context_id=shot, user_id="common-outsider")
    world.add(
        "Timelog", "timelog", context_id=world("task"), user_id="common-outsider", comment=world("log"), duration=60
    )
    world.operations.append(
        {
            "action": "update",
            "entity_type": "Shot",
            "entity_key": [shot],
            "entity_data": {"scopes": [{"__entity_type__": "Scope", "id": "common-scope"}]},
        }
    )
    world.add(
        "TypedContextStatusChange", "status-change", parent_id=shot, parent_type="task", user_id="common-outsider"
    )
    # The only ids that are numbers.
    event = 1 if world("shot") == "open-shot" else 2
    world.add("Event", id=event, project_id=project, action=world("action"), parent_id=shot)
    world.add("Feed", "feed", social_id=event, owner_id=shot, relation=world("relation"))
    world.add("UserSecurityRoleProject", "role-project", user_security_role_id="common-role", project_id=project)


def _assets(world: _World) -> None:
    world.add("Asset", "asset", name=world("asset"), context_id=world("shot"))
    for number in (1, 2):
        world.add(
            "AssetVersion",
            f"version-{number}",
            asset_id=world("asset"),
            task_id=world("task"),
            comment=world("comment"),
            version=number,
        )
    world.add("AssetVersionLink", "version-link", from_id=world("version-1"), to_id=world("version-2"))
    world.add(
        "AssetVersionStatusChange", "version-status-change", parent_id=world("version-1"), parent_type="assetversion"
    )
    world.add("SequenceComponent", "sequence", name=world("sequence"), version_id=world("version-1"), padding=4)
    world.add("FileComponent", "frame", name=world("frame"), container_id=world("sequence"))
    for name in ("sequence", "frame"):
        world.add(
            "ComponentLocation",
            f"{name}-location",
            component_id=world(name),
            location_id="common-location",
            resource_identifier=world("path"),
        )
    world.add("JobComponent", job_id="common-job", component_id=world("frame"))
    world.add("SettingComponent", component_id=world("sequence"), name="logo", group="LOOK")
    for label, owner in (("shot", "Shot"), ("version-1", "AssetVersion")):
        world.add("FileComponent", f"{label}-thumbnail", name=world("thumbnail"))
        world.operations.append(
            {
                "action": "update",
                "entity_type": owner,
                "entity_key": [world(label)],
                "entity_data": {"thumbnail_id": world(f"{label}-thumbnail")},
            }
        )
    world.add("Metadata", parent_id=world("frame"), parent_type="Component", key=world("key"), value=world("value"))


def _talk(world: _World) -> None:
    for label, owner, owner_type in (
        ("shot-note", "shot", "Shot"),
        ("version-note", "version-1", "AssetVersion"),
        ("project-note", "project", "Project"),
    ):
        world.add("Note", label, content=world("content"), parent_id=world(owner), parent_type=owner_type)
    world.add("Note", "reply", content=world("reply"), in_reply_to_id=world("shot-note"))
    world.add("Note", "second-reply", content=world("second reply"), in_reply_to_id=world("reply"))
    world.add("NoteLabelLink", note_id=world("reply"), label_id="common-label")
    world.add("Recipient", note_id=world("reply"), resource_id="common-outsider")
    world.add("FileComponent", "attachment", name=world("attachment"))
    world.add("NoteComponent", note_id=world("second-reply"), component_id=world("attachment"))
    world.add(
        "ComponentLocation", "attachment-location", component_id=world("attachment"), location_id="common-location"
    )
    for label, parent_type in (
        ("shot", "Shot"),
        ("reply", "Note"),
        ("project", "Project"),
        ("version-1", "AssetVersion"),
    ):
        world.add("Metadata", parent_id=world(label), parent_type=parent_type, key=world("key"), value=world("value"))


def _planning(world: _World) -> None:
    category = {"category_id": "common-category"}
    world.add("TypedContextList", "contexts", name=world("contexts"), project_id=world("project"), **category)
    world.add("AssetVersionList", "versions", name=world("versions"), project_id=world("project"), **category)
    world.add("ListObject", "listed-task", list_id=world("contexts"), entity_id=world("task"))
    world.add("ListObject", "listed-version", list_id=world("versions"), entity_id=world("version-2"))
    world.add("CalendarEvent", "event", name=world("event"), project_id=world("project"), start=_MOMENT, end=_MOMENT)
    world.add(
        "CalendarEventResource", "event-resource", calendar_event_id=world("event"), resource_id="common-outsider"
    )
    world.add("Metadata", parent_id=world("event"), parent_type="CalendarEvent", key=world("key"), value=world("value"))


def _review(world: _World) -> None:
    world.add("ReviewSession", "session", name=world("session"), project_id=world("project"))
    world.add(
        "ReviewSessionInvitee", "invitee", name=world("invitee"), email=world("@"), review_session_id=world("session")
    )
    world.add("ReviewSessionObject", "object", review_session_id=world("session"), version_id=world("version-1"))
    world.add(
        "ReviewSessionObjectStatus",
        "object-status",
        review_session_object_id=world("object"),
        review_session_invitee_id=world("invitee"),
        status=world("approved"),
    )
    world.add("EntitySetting", parent_id=world("session"), parent_type="ReviewSession", group="g", name="n", value="v")
    world.add("Note", "object-note", content=world("object note"), parent_id=world("object"))


def _custom(world: _World) -> None:
    _configuration(world, "own", entity_type="show", is_hierarchical=True, project_id=world("project"))
    for label, configuration in (
        ("shot", "common-hierarchical"),
        ("version-1", world("own")),
        ("asset", "common-asset"),
        ("contexts", "common-list"),
        ("listed-task", "common-listobject"),
    ):
        world.add(
            "CustomAttributeValue",
            configuration_id=f"{configuration}-configuration",
            entity_id=world(label),
            value=world("value"),
        )
    world.add(
        "CustomAttributeLinkConfiguration",
        "links",
        key=world("links"),
        entity_type="show",
        entity_type_to="task",
        config="{}",
        project_id=world("project"),
    )
    world.add(
        "ContextCustomAttributeLink",
        "custom-link",
        configuration_id="common-links",
        from_id=world("project"),
        to_id=world("task"),
        from_entity_type="Project",
        to_entity_type="Task",
    )


def crossing_rows(*, seen: bool) -> Operations:
    """References between the project `open` and the private one `closed`.

    Args:
        seen: False for the world as one must see it who doesn't see the private project: without the rows between the
            two, and with null for every reference into it.
    """
    world = _World("crossing")

    def hidden(label: str) -> str | None:
        return f"closed-{label}" if seen else None

    world.add(
        "AssetVersion",
        "version",
        asset_id="open-asset",
        version=3,
        task_id=hidden("task"),
        thumbnail_id=hidden("frame"),
        comment="crossing",
    )
    world.add("Shot", "shot", name="crossing", parent_id="open-project", thumbnail_id=hidden("frame"))
    world.add("User", "user", username="crossing", is_active=True, thumbnail_id=hidden("sequence"))
    world.add("ReviewSession", "session", name="crossing", project_id="open-project")
    # A picture without a version is seen by those who see anything that shows it.
    world.add("NoteComponent", note_id="open-shot-note", component_id="common-picture")
    if seen:
        _add_between(world)
    else:
        # Nothing hidden in it.
        world.add("Event", id=12, project_id="open-project", parent_id="open-shot", action="told")
    return world.operations


def _add_between(world: _World) -> None:
    """Rows of which one end is hidden, each end once."""
    for number, (one, other) in enumerate((("open", "closed"), ("closed", "open"))):
        world.add("TypedContextLink", f"link-{number}", from_id=f"{one}-task", to_id=f"{other}-task")
        world.add("AssetVersionLink", f"versions-{number}", from_id=f"{one}-version-1", to_id=f"{other}-version-1")
        world.add("ListObject", f"listed-{number}", list_id=f"{one}-contexts", entity_id=f"{other}-task")
        world.add(
            "ReviewSessionObject",
            f"object-{number}",
            review_session_id=f"{one}-session",
            version_id=f"{other}-version-1",
        )
        world.add(
            "ReviewSessionObjectStatus",
            f"status-{number}",
            review_session_object_id=f"{one}-object",
            review_session_invitee_id=f"{other}-invitee",
        )
        world.add("NoteComponent", note_id=f"{one}-shot-note", component_id=f"{other}-frame")
        world.add(
            "ContextCustomAttributeLink",
            f"custom-link-{number}",
            configuration_id="common-links",
            from_id=f"{one}-task",
            to_id=f"{other}-task",
            from_entity_type="Task",
            to_entity_type="Task",
        )
        world.add(
            "CustomAttributeValue",
            configuration_id=f"{one}-own-configuration",
            entity_id=f"{other}-shot",
            value="crossing",
        )
        world.add("Event", id=10 + number, project_id=f"{one}-project", parent_id=f"{other}-shot")
    world.add("Event", id=12, project_id="open-project", parent_id="open-shot", action="told")
    world.add("Feed", "feed-0", social_id=12, owner_id="closed-shot")
    world.add("Feed", "feed-1", social_id=2, owner_id="open-shot")
    world.add("NoteComponent", note_id="closed-shot-note", component_id="common-picture")
    world.add("Note", "note", content="below a link", parent_id="crossing-link-0")
    world.add("Metadata", parent_id="crossing-note", parent_type="Note", key="k", value="crossing")
    world.add("Timer", "timer", user_id="common-outsider", context_id="closed-task")
    world.add(
        "ContextCustomAttributeLink",
        "custom-link-2",
        configuration_id="closed-links",
        from_id="open-task",
        to_id="open-other-task",
        from_entity_type="Task",
        to_entity_type="Task",
    )
