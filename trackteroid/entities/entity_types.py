"""The entity classes: one per type of a stock ftrack server, and a factory for the types of other servers.

The class tree is the one of the server's type families; a class inherits its base's default projections.
"""

from __future__ import annotations

from typing import ClassVar

from trackteroid.entities.entity import Entity, EntityType, declared
from trackteroid.errors import BadInputError
from trackteroid.relationships import SchemaIndex

# Written out, because type checkers read it.
__all__ = [
    "Appointment",
    "Asset",
    "AssetBuild",
    "AssetCustomAttributeLink",
    "AssetCustomAttributeLinkFrom",
    "AssetCustomAttributeValue",
    "AssetGroup",
    "AssetType",
    "AssetVersion",
    "AssetVersionCustomAttributeLink",
    "AssetVersionCustomAttributeLinkFrom",
    "AssetVersionCustomAttributeValue",
    "AssetVersionLink",
    "AssetVersionList",
    "AssetVersionStatusChange",
    "CalendarEvent",
    "CalendarEventResource",
    "Component",
    "ComponentCustomAttributeLink",
    "ComponentCustomAttributeLinkFrom",
    "ComponentLocation",
    "ContainerComponent",
    "Context",
    "ContextCustomAttributeLink",
    "ContextCustomAttributeLinkFrom",
    "ContextCustomAttributeValue",
    "Conversation",
    "CustomAttributeConfiguration",
    "CustomAttributeGroup",
    "CustomAttributeLink",
    "CustomAttributeLinkConfiguration",
    "CustomAttributeLinkFrom",
    "CustomAttributeType",
    "CustomAttributeValue",
    "CustomConfigurationBase",
    "Dashboard",
    "DashboardResource",
    "DashboardWidget",
    "Disk",
    "Entity",
    "EntitySetting",
    "Episode",
    "Event",
    "Feed",
    "FileComponent",
    "Folder",
    "Group",
    "GroupCustomAttributeLink",
    "GroupCustomAttributeLinkFrom",
    "Job",
    "JobComponent",
    "List",
    "ListCategory",
    "ListCustomAttributeLink",
    "ListCustomAttributeLinkFrom",
    "ListCustomAttributeValue",
    "ListObject",
    "ListObjectCustomAttributeValue",
    "Location",
    "Manager",
    "ManagerType",
    "Membership",
    "Message",
    "Metadata",
    "Milestone",
    "Note",
    "NoteCategory",
    "NoteComponent",
    "NoteLabel",
    "NoteLabelLink",
    "ObjectType",
    "Participant",
    "Priority",
    "Project",
    "ProjectSchema",
    "ProjectSchemaObjectType",
    "ProjectSchemaOverride",
    "Recipient",
    "Resource",
    "ReviewSession",
    "ReviewSessionInvitee",
    "ReviewSessionObject",
    "ReviewSessionObjectStatus",
    "Schema",
    "SchemaStatus",
    "SchemaType",
    "Scope",
    "SecurityRole",
    "Sequence",
    "SequenceComponent",
    "Setting",
    "SettingComponent",
    "Shot",
    "State",
    "Status",
    "StatusChange",
    "Task",
    "TaskTemplate",
    "TaskTemplateItem",
    "TaskTypeSchema",
    "TaskTypeSchemaType",
    "Timelog",
    "Timer",
    "Type",
    "TypedContext",
    "TypedContextLink",
    "TypedContextList",
    "TypedContextStatusChange",
    "User",
    "UserApplicationState",
    "UserCustomAttributeLink",
    "UserCustomAttributeLinkFrom",
    "UserCustomAttributeValue",
    "UserSecurityRole",
    "UserSecurityRoleProject",
    "UserType",
    "WorkflowSchema",
    "WorkflowSchemaStatus",
    "entity_class",
]


def entity_class(name: str, index: SchemaIndex | None = None) -> EntityType:
    """Return the entity class of a type's name; there is one per name and process.

    Args:
        name: A type of the server's schema, such as `Shot`.
        index: The server's schema, needed for types that are not declared here: it tells where they belong.

    Raises:
        BadInputError: The type is not declared here and the schema does not have it (or is not given).
    """
    known = declared(name)
    if known is not None:
        return known
    if index is None or name not in index:
        raise BadInputError(f"There is no entity type {name!r}.")
    base_name = index.base(name)
    projections = ["id", "name"] if index.types[name].is_object_type else list(index.primary_key(name))
    namespace = {"projections": projections, "__module__": __name__, "__slots__": ()}
    base = entity_class(base_name, index) if base_name else Entity
    # Making the class registers it; of two threads that get here, the first one's class is the class of this name.
    created = EntityType(name, (base,), namespace)
    return declared(name) or created


class Appointment(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "resource"]


class Asset(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class AssetType(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class AssetVersion(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "asset.name", "version"]


class AssetVersionLink(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "from_id", "to_id"]


class CalendarEvent(Entity):
    __slots__ = ()


class CalendarEventResource(Entity):
    __slots__ = ()


class Component(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class ComponentLocation(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "resource_identifier"]


class ContainerComponent(Component):
    __slots__ = ()


class Context(Entity):
    __slots__ = ()


class Conversation(Entity):
    __slots__ = ()


class CustomAttributeGroup(Entity):
    __slots__ = ()


class CustomAttributeLink(Entity):
    __slots__ = ()


class CustomAttributeLinkFrom(Entity):
    __slots__ = ()


class CustomAttributeType(Entity):
    __slots__ = ()


class CustomAttributeValue(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["configuration_id", "entity_id"]


class CustomConfigurationBase(Entity):
    __slots__ = ()


class Dashboard(Entity):
    __slots__ = ()


class DashboardResource(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["dashboard_id", "resource_id"]


class DashboardWidget(Entity):
    __slots__ = ()


class Disk(Entity):
    __slots__ = ()


class EntitySetting(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["parent_id", "group", "name"]


class Event(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "action", "user", "data"]


class Feed(Entity):
    __slots__ = ()


class FileComponent(Component):
    __slots__ = ()


class GroupCustomAttributeLink(CustomAttributeLink):
    __slots__ = ()


class GroupCustomAttributeLinkFrom(CustomAttributeLinkFrom):
    __slots__ = ()


class Job(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "status", "data"]


class JobComponent(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["component_id", "job_id"]


class List(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class ListCategory(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class ListCustomAttributeLink(CustomAttributeLink):
    __slots__ = ()


class ListCustomAttributeLinkFrom(CustomAttributeLinkFrom):
    __slots__ = ()


class ListCustomAttributeValue(CustomAttributeValue):
    __slots__ = ()


class ListObject(Entity):
    __slots__ = ()


class ListObjectCustomAttributeValue(CustomAttributeValue):
    __slots__ = ()


class Location(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class Manager(Entity):
    __slots__ = ()


class ManagerType(Entity):
    __slots__ = ()


class Membership(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "group"]


class Message(Entity):
    __slots__ = ()


class Metadata(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["parent_id", "key", "value"]


class Note(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "content"]


class NoteCategory(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class NoteComponent(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["note_id", "component_id", "component"]


class NoteLabel(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class NoteLabelLink(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["note_id", "label_id"]


class ObjectType(Entity):
    __slots__ = ()


class Participant(Entity):
    __slots__ = ()


class Priority(Entity):
    __slots__ = ()


class Project(Context):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class ProjectSchema(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class ProjectSchemaObjectType(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["object_type_id", "project_schema_id"]


class ProjectSchemaOverride(Entity):
    __slots__ = ()


class Recipient(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["note_id", "resource_id", "note", "recipient", "user"]


class Resource(Entity):
    __slots__ = ()


class ReviewSession(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class ReviewSessionInvitee(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name", "email"]


class ReviewSessionObject(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class ReviewSessionObjectStatus(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "status"]


class Schema(Entity):
    __slots__ = ()


class SchemaStatus(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["status_id", "schema_id"]


class SchemaType(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["type_id", "schema_id"]


class Scope(Entity):
    __slots__ = ()


class SecurityRole(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name", "type"]


class SequenceComponent(ContainerComponent):
    __slots__ = ()


class Setting(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["name", "group"]


class SettingComponent(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["component_id", "name", "group"]


class State(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class Status(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class StatusChange(Entity):
    __slots__ = ()


class TaskTemplate(Entity):
    __slots__ = ()


class TaskTemplateItem(Entity):
    __slots__ = ()


class TaskTypeSchema(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "types.name"]


class TaskTypeSchemaType(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["task_type_schema_id", "type_id"]


class Timelog(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "comment", "start", "duration"]


class Timer(Entity):
    __slots__ = ()


class Type(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class TypedContext(Context):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class TypedContextLink(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "from_id", "to_id"]


class TypedContextList(List):
    __slots__ = ()


class TypedContextStatusChange(StatusChange):
    __slots__ = ()


class User(Resource):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "username", "is_active"]


class UserApplicationState(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["user_id", "key"]


class UserCustomAttributeLink(CustomAttributeLink):
    __slots__ = ()


class UserCustomAttributeLinkFrom(CustomAttributeLinkFrom):
    __slots__ = ()


class UserCustomAttributeValue(CustomAttributeValue):
    __slots__ = ()


class UserSecurityRole(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "security_role"]


class UserSecurityRoleProject(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "project"]


class UserType(Entity):
    __slots__ = ()


class WorkflowSchema(Entity):
    __slots__ = ()


class WorkflowSchemaStatus(Entity):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["workflow_schema_id", "status_id"]


class AssetBuild(TypedContext):
    __slots__ = ()


class AssetCustomAttributeLink(CustomAttributeLink):
    __slots__ = ()


class AssetCustomAttributeLinkFrom(CustomAttributeLinkFrom):
    __slots__ = ()


class AssetCustomAttributeValue(CustomAttributeValue):
    __slots__ = ()


class AssetGroup(TypedContext):
    __slots__ = ()


class AssetVersionCustomAttributeLink(CustomAttributeLink):
    __slots__ = ()


class AssetVersionCustomAttributeLinkFrom(CustomAttributeLinkFrom):
    __slots__ = ()


class AssetVersionCustomAttributeValue(CustomAttributeValue):
    __slots__ = ()


class AssetVersionList(List):
    __slots__ = ()


class AssetVersionStatusChange(StatusChange):
    __slots__ = ()


class ComponentCustomAttributeLink(CustomAttributeLink):
    __slots__ = ()


class ComponentCustomAttributeLinkFrom(CustomAttributeLinkFrom):
    __slots__ = ()


class ContextCustomAttributeLink(CustomAttributeLink):
    __slots__ = ()


class ContextCustomAttributeLinkFrom(CustomAttributeLinkFrom):
    __slots__ = ()


class ContextCustomAttributeValue(CustomAttributeValue):
    __slots__ = ()


class CustomAttributeConfiguration(CustomConfigurationBase):
    __slots__ = ()


class CustomAttributeLinkConfiguration(CustomConfigurationBase):
    __slots__ = ()


class Episode(TypedContext):
    __slots__ = ()


class Folder(TypedContext):
    __slots__ = ()


class Group(Resource):
    __slots__ = ()
    projections: ClassVar[list[str]] = ["id", "name"]


class Milestone(TypedContext):
    __slots__ = ()


class Sequence(TypedContext):
    __slots__ = ()


class Shot(TypedContext):
    __slots__ = ()


class Task(TypedContext):
    __slots__ = ()
