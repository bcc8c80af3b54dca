"""What the tests of deferred blocks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ftrack_api.inspection
from ftrack_api.symbol import NOT_SET

from tests.support.local_session import LocalSession
from trackteroid.commits.committer import commit_now
from trackteroid.operations.operation import CreateOperation, DeleteOperation, Operation, UpdateOperation
from trackteroid.operations.recording import read_recording

UNMANAGED_LOCATION = "cb268ecc-8809-11e3-a7e2-20c9d081909b"


def one(session: LocalSession, expression: str) -> Any:
    return session.query(expression).first()


def a_task(session: LocalSession, number: int = 0) -> Any:
    """Return a task with its name loaded, and its parent and project."""
    return session.query(
        "select name, description, bid, status.name, parent.name, project.name, project.full_name from Task order by id"
    ).all()[number]


def a_version(session: LocalSession) -> Any:
    return one(
        session,
        "select version, comment, is_published, asset.name, task.name from AssetVersion "
        'where asset.name is "bc0040_comp" order by version descending',
    )


def summary(operations: tuple[Operation, ...]) -> list[tuple[Any, ...]]:
    """Return the operations in short: kind, type, and for updates attribute and values with references as ids."""
    rows: list[tuple[Any, ...]] = []
    for operation in operations:
        if isinstance(operation, CreateOperation):
            rows.append(("create", operation.entity_type))
        elif isinstance(operation, DeleteOperation):
            rows.append(("delete", operation.entity_type))
        else:
            rows.append(
                (
                    "update",
                    operation.entity_type,
                    operation.attribute_name,
                    short(operation.old_value),
                    short(operation.new_value),
                )
            )
    return rows


def short(value: Any) -> Any:
    if isinstance(value, dict) and "id" in value:
        return value["id"]
    return [short(item) for item in value] if isinstance(value, list) else value


def updates(path: Path) -> list[UpdateOperation]:
    return [operation for operation in read_recording(path).operations if isinstance(operation, UpdateOperation)]


def commit(session: LocalSession, path: Path) -> None:
    commit_now(session, read_recording(path))


def rows(session: LocalSession, expression: str) -> list[dict[str, Any]]:
    """Return what the server has, past the session's memory."""
    return list(session.exchange([{"action": "query", "expression": expression}])[0]["data"])


def writes(session: LocalSession) -> list[dict[str, Any]]:
    """Return the operations that the server got."""
    return [item for item in session.requests if item["action"] in ("create", "update", "delete")]


def local(entity: Any, name: str) -> Any:
    return entity.attributes.get(name).get_local_value(entity)


def remote(entity: Any, name: str) -> Any:
    return entity.attributes.get(name).get_remote_value(entity)


def is_set(value: Any) -> bool:
    return value is not NOT_SET


def in_cache(session: LocalSession, entity: Any) -> bool:
    key = session.cache_key_maker.key(ftrack_api.inspection.identity(entity))
    return key in session.cache.keys()
