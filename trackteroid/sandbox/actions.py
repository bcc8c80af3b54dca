"""The actions of the protocol other than writing (specification 2): one function each, in one table."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trackteroid.sandbox.credentials import Caller, replace_keys
from trackteroid.sandbox.derived import RowContext
from trackteroid.sandbox.errors import ApiError, MalformedRequestError, ValidationError
from trackteroid.sandbox.json_schema import json_schemas, schema_hash
from trackteroid.sandbox.parser import parse
from trackteroid.sandbox.querying import Page, run_parsed, run_query
from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.syntax import And, Comparison, Criterion, Literal, Membership, Operator, Or, Path, Query, Step
from trackteroid.sandbox.visibility import EVERYTHING, Sight

__all__ = ["ACTIONS", "Call", "ServedSchemas"]


@dataclass(frozen=True, kw_only=True)
class ServedSchemas:
    """The schema list and its hash, made once per server."""

    schemas: list[dict[str, Any]]
    hash: str

    @classmethod
    def of(cls, storage: Storage) -> ServedSchemas:
        schemas = json_schemas(storage.schema)
        return cls(schemas=schemas, hash=schema_hash(schemas))


@dataclass(frozen=True, kw_only=True)
class Call:
    """What an action may need besides its own operation."""

    storage: Storage
    served: ServedSchemas
    caller: Caller
    url: str
    new_id: Callable[[], str]
    denormalized: bool = False
    sight: Sight = EVERYTHING

    @property
    def rows(self) -> RowContext:
        return RowContext(
            storage=self.storage,
            url=self.url,
            username=self.caller.username,
            api_key=self.caller.api_key,
            denormalized=self.denormalized,
            sight=self.sight,
        )


Operation = Mapping[str, Any]


def _server_information(call: Call, operation: Operation) -> Any:
    setting = call.storage.column(
        'SELECT "value" FROM "Setting" WHERE "name" = \'storage_scenario\' AND "group" = \'STORAGE\''
    )
    scenario: Any = {"scenario": "ftrack.automatic", "data": {}}
    if setting and setting[0]:
        try:
            scenario = json.loads(setting[0])
        except ValueError:
            # The setting is text that any client may write: what is no scenario counts as none.
            scenario = {"scenario": "ftrack.automatic", "data": {}}
    information = {
        "version": "dev",
        "schema_hash": call.served.hash,
        "storage_scenario": scenario,
        "is_timezone_support_enabled": True,
        "is_nested_subqueries_enabled": True,
        "user_information": {"id": call.caller.user_id, "username": call.caller.username},
        "product": {"name": "trackteroid sandbox"},
    }
    wanted = operation.get("values")
    if isinstance(wanted, list):
        return {name: value for name, value in information.items() if name in wanted}
    return information


def _schemas(call: Call, operation: Operation) -> Any:
    return call.served.schemas


def _page(action: str, page: Page) -> dict[str, Any]:
    return {"action": action, "data": page.entities, "metadata": {"next": {"offset": page.next_offset}}}


def _query(call: Call, operation: Operation) -> Any:
    return _page("query", run_query(call.rows, _text(operation, "expression")))


def _search(call: Call, operation: Operation) -> Any:
    """Inferred (specification 2.4): the expression's rows whose name, or a name in their link, contains every term."""
    expression = operation.get("expression")
    entity_type = call.storage.schema.served(_text(operation, "entity_type") if not expression else "Context")
    query = parse(str(expression)) if expression else parse(entity_type.name)
    criteria: list[Criterion] = [] if query.criterion is None else [query.criterion]
    table = call.storage.schema.served(query.entity_type).table
    for term in operation.get("terms") or ():
        pattern = _pattern(str(term))
        found: list[Criterion] = [Comparison(_path("name"), Operator.LIKE, pattern)]
        if table == "Context":
            found.append(Comparison(_path("ancestors", "name"), Operator.LIKE, pattern))
            found.append(Comparison(_path("project", "name"), Operator.LIKE, pattern))
        criteria.append(Or(tuple(found)))
    if operation.get("context_id"):
        context = _literal(str(operation["context_id"]))
        below = [_path("ancestors", "id"), _path("project_id")] if table == "Context" else [_path("project_id")]
        criteria.append(Or(tuple(Comparison(path, Operator.IS, context) for path in below)))
    if operation.get("object_type_ids"):
        ids = tuple(_literal(str(each)) for each in operation["object_type_ids"])
        criteria.append(Membership(_path("object_type_id"), False, ids))
    narrowed = Query(
        query.entity_type,
        query.projections,
        And(tuple(criteria)) if criteria else None,
        query.order,
        query.limit,
        query.offset,
        query.position,
    )
    return _page("search", run_parsed(call.rows, narrowed))


def _path(*names: str) -> Path:
    return Path(tuple(Step(name, None, 0) for name in names))


def _literal(text: str) -> Literal:
    return Literal(text.replace("\\", "\\\\"), True, 0)


def _pattern(term: str) -> Literal:
    escaped = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Literal(f"%{escaped}%", True, 0)


def _text(operation: Operation, name: str) -> str:
    value = operation.get(name)
    if not isinstance(value, str):
        raise MalformedRequestError(f'Action "{operation.get("action")}" needs a text "{name}".')
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedRequestError(f'"{name}" holds characters that are no text.') from None
    return value


def _reset_remote(call: Call, operation: Operation) -> Any:
    if operation.get("reset_type") != "api_key":
        raise ValidationError(f"Cannot reset {operation.get('reset_type')!r}.")
    user_id = operation.get("entity_key") or call.caller.user_id
    if isinstance(user_id, list) and len(user_id) == 1:
        user_id = user_id[0]
    known = call.storage.column('SELECT "id" FROM "Resource" WHERE "__type" = \'User\' AND "id" = ?', (str(user_id),))
    if not known:
        raise ValidationError(f"There is no user {user_id}.")
    api_key = call.new_id()
    replace_keys(call.storage, api_key, known[0])
    return {"action": "reset_remote", "data": {"api_key": api_key}}


def _upload_metadata(call: Call, operation: Operation) -> Any:
    component_id, name = _text(operation, "component_id"), _text(operation, "file_name")
    if operation.get("parts"):
        raise ApiError("Multipart uploads are not available here.", exception="ValidationError")
    headers = {
        "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "Content-Length": str(operation.get("file_size") or 0),
        "Content-Disposition": f"attachment; filename*=UTF-8''{name.encode('ascii', 'replace').decode()}",
    }
    if operation.get("checksum"):
        headers["Content-MD5"] = str(operation["checksum"])
    # The token is the id itself, made opaque: an upload must work without credentials (specification 1.6).
    token = base64.urlsafe_b64encode(component_id.encode("utf-8")).decode("ascii")
    return {"url": f"{call.url}/upload/{token}", "headers": headers, "component_id": component_id}


def _widget_url(call: Call, operation: Operation) -> Any:
    return {"widget_url": f"{call.url}/widget/{_text(operation, 'name')}"}


def _sent(call: Call, operation: Operation) -> Any:
    return {"sent": True}


def _signed_url(call: Call, operation: Operation) -> Any:
    return {"signed_url": call.rows.file_url("get", _text(operation, "component_id"))}


def _encode_media(call: Call, operation: Operation) -> Any:
    raise ApiError("This server cannot encode media.", exception="ValidationError")


def _totp(call: Call, operation: Operation) -> Any:
    if not operation.get("code"):
        raise ValidationError("The code must not be empty.")
    return {"action": "configure_totp", "data": None}


ACTIONS: Mapping[str, Callable[[Call, Operation], Any]] = {
    "_track_usage": lambda call, operation: {"action": "_track_usage"},
    "compute_rollups": lambda call, operation: {"data": []},
    "configure_totp": _totp,
    "delayed_job": lambda call, operation: {"action": "delayed_job", "data": None},
    "encode_media": _encode_media,
    "generate_signed_url": _signed_url,
    "get_upload_metadata": _upload_metadata,
    "get_widget_url": _widget_url,
    "permissions": lambda call, operation: {"action": "permissions", "data": {}},
    "query": _query,
    "query_schemas": _schemas,
    "query_server_information": _server_information,
    "reset_remote": _reset_remote,
    "search": _search,
    "send_review_session_invite": _sent,
    "send_user_invite": _sent,
}
