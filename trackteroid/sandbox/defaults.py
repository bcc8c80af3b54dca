"""Values that the server fills in when a client sends none (specification 2.11 and 6.4).

Constants stand in the schema file (`fill:`); here is what depends on the moment, the caller or other rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from trackteroid.sandbox.changes import Changes, StoredRow, id_list
from trackteroid.sandbox.errors import IntegrityError
from trackteroid.sandbox.schema import NO_DEFAULT, Attribute, EntityType, Kind
from trackteroid.sandbox.storage import SEQUENCE, quoted
from trackteroid.sandbox.values import Stored, from_wire

__all__ = ["Request", "default_status", "default_type", "fill", "next_version"]

_HIGHEST = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Request:
    """Who asks, when, and where new ids come from.

    Attributes:
        now: The time of the request in the stored form.
    """

    user_id: str | None
    now: str
    new_id: Callable[[], str]


def fill(changes: Changes, request: Request, entity_type: EntityType, values: dict[str, Stored]) -> set[str]:
    """Add what is missing in a new row; returns the names of what was added."""
    added: set[str] = set()
    for attribute in entity_type.attributes.values():
        if not attribute.is_stored or attribute.name in values:
            continue
        value = _missing(changes, request, entity_type, attribute)
        if value is not None:
            values[attribute.name] = value
            added.add(attribute.name)
    for name, value in _dependent(changes, entity_type, values).items():
        if values.get(name) is None and value is not None:
            values[name] = value
            added.add(name)
    return added


def _missing(changes: Changes, request: Request, entity_type: EntityType, attribute: Attribute) -> Stored:
    if attribute.kind is Kind.UID:
        return request.new_id()
    if attribute.default is not NO_DEFAULT:
        return from_wire(attribute, attribute.default)
    if attribute.fill is not NO_DEFAULT:
        return from_wire(attribute, attribute.fill)
    if attribute.fill_word is None:
        return None
    return _word(changes, request, entity_type, attribute)


def _word(changes: Changes, request: Request, entity_type: EntityType, attribute: Attribute) -> Stored:
    today = request.now[:10] + " 00:00:00"
    if attribute.fill_word == "now":
        return request.now
    if attribute.fill_word == "user":
        return request.user_id
    if attribute.fill_word == "uuid":
        return request.new_id()
    if attribute.fill_word == "today":
        return today
    if attribute.fill_word == "month":
        return (datetime.strptime(today, "%Y-%m-%d %H:%M:%S") + timedelta(days=30)).strftime("%Y-%m-%d %H:%M:%S")
    if attribute.fill_word == "count":
        sql = f"SELECT COALESCE(MAX({quoted(attribute.name)}), 0) FROM {quoted(entity_type.table)}"
        return _following(f"{entity_type.name}.{attribute.name}", changes.storage.execute(sql).fetchone()[0])
    raise ValueError(f"The schema file fills {entity_type.name}.{attribute.name} with an unknown word.")


def _dependent(changes: Changes, entity_type: EntityType, values: dict[str, Stored]) -> dict[str, Stored]:
    """Defaults that follow from other values of the row."""
    if entity_type.name == "Project":
        return {"project_id": values["id"], "project_schema_id": _first_project_schema(changes)}
    if entity_type.object_type_id is not None:
        # JavaScript tools may send only the project: the entity then hangs right below it.
        return {"parent_id": values.get("project_id")}
    if entity_type.name == "AssetVersion" and values.get("asset_id") is not None:
        return {"version": next_version(changes, values["asset_id"])}
    if entity_type.name == "Job" and values.get("status") in ("done", "failed"):
        return {"finished_at": values.get("created_at")}
    return {}


def next_version(changes: Changes, asset_id: Stored) -> int:
    """1 + the highest version of the asset.

    Raises:
        IntegrityError: There is no higher number.
    """
    sql = 'SELECT COALESCE(MAX("version"), 0) FROM "AssetVersion" WHERE "asset_id" = ?'
    parameters: tuple[Stored, ...] = (asset_id,)
    if changes.unseen:
        sql += ' AND "id" NOT IN (SELECT value FROM json_each(?))'
        parameters += (id_list(list(changes.unseen)),)
    return _following("AssetVersion.version", changes.storage.execute(sql, parameters).fetchone()[0])


def _following(what: str, highest: int) -> int:
    if highest >= _HIGHEST:
        # SQLite would go on with a float.
        raise IntegrityError(f"{what} cannot be counted on: {highest} is the highest number there is.")
    return highest + 1


def _first_project_schema(changes: Changes) -> Stored:
    found = changes.storage.column(f'SELECT "id" FROM "ProjectSchema" ORDER BY {quoted(SEQUENCE)} LIMIT 1')
    return found[0] if found else None


def _project_schema(changes: Changes, project_id: Stored) -> Stored:
    project = changes.by_id("Project", project_id)
    found = None if project is None else project.values["project_schema_id"]
    return found or _first_project_schema(changes)


# "First" means lowest sort, then order of creation (specification 6.4).
_WORKFLOW_STATUS = """
SELECT s."id" FROM "WorkflowSchemaStatus" w JOIN "Status" s ON s."id" = w."status_id"
WHERE w."workflow_schema_id" = ? ORDER BY s."sort", w."__seq" LIMIT 1
"""
_OVERRIDE = """
SELECT "workflow_schema_id" FROM "ProjectSchemaOverride"
WHERE "project_schema_id" = ? AND "type_id" = ? ORDER BY "__seq" LIMIT 1
"""
_OBJECT_STATUS = """
SELECT e."status_id" FROM "SchemaStatus" e JOIN "Schema" s ON s."id" = e."schema_id"
WHERE s."project_schema_id" = ? AND s."type_id" = ? ORDER BY e."sort", e."__seq" LIMIT 1
"""
_TASK_TYPE = """
SELECT t."id" FROM "TaskTypeSchemaType" e JOIN "Type" t ON t."id" = e."type_id"
JOIN "ProjectSchema" p ON p."task_type_schema_id" = e."task_type_schema_id"
WHERE p."id" = ? ORDER BY t."sort", e."__seq" LIMIT 1
"""
_OBJECT_TYPE = """
SELECT e."type_id" FROM "SchemaType" e JOIN "Schema" s ON s."id" = e."schema_id"
WHERE s."project_schema_id" = ? AND s."type_id" = ? ORDER BY e."sort", e."__seq" LIMIT 1
"""


def _first(changes: Changes, sql: str, *parameters: Stored) -> Stored:
    found = changes.storage.column(sql, parameters)
    return found[0] if found else None


def default_type(changes: Changes, row: StoredRow) -> Stored:
    """The first type that is valid for a new TypedContext, None if its object type has none."""
    schema_id = _project_schema(changes, row.values.get("project_id"))
    if row.entity_type.name == "Task":
        return _first(changes, _TASK_TYPE, schema_id)
    return _first(changes, _OBJECT_TYPE, schema_id, row.entity_type.object_type_id)


def default_status(changes: Changes, row: StoredRow) -> Stored:
    """The first status that is valid for a new TypedContext or AssetVersion, None if there is none."""
    if row.entity_type.name == "AssetVersion":
        return _version_status(changes, row)
    schema_id = _project_schema(changes, row.values.get("project_id"))
    if row.entity_type.name != "Task":
        return _first(changes, _OBJECT_STATUS, schema_id, row.entity_type.object_type_id)
    workflow = _first(changes, _OVERRIDE, schema_id, row.values.get("type_id")) or _first(
        changes, 'SELECT "task_workflow_schema_id" FROM "ProjectSchema" WHERE "id" = ?', schema_id
    )
    return _first(changes, _WORKFLOW_STATUS, workflow)


def _version_status(changes: Changes, row: StoredRow) -> Stored:
    asset = changes.by_id("Asset", row.values.get("asset_id"))
    context = None if asset is None else changes.by_id("Context", asset.values["context_id"])
    schema_id = _project_schema(changes, None if context is None else context.values["project_id"])
    workflow = _first(
        changes, 'SELECT "asset_version_workflow_schema_id" FROM "ProjectSchema" WHERE "id" = ?', schema_id
    )
    return _first(changes, _WORKFLOW_STATUS, workflow)
