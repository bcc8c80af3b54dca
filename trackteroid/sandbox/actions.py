"""The actions of the protocol other than writing (specification 2): one function each, in one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from trackteroid.sandbox.call import Call, Operation, text_of
from trackteroid.sandbox.credentials import replace_keys
from trackteroid.sandbox.encoding import encode_media
from trackteroid.sandbox.errors import ValidationError
from trackteroid.sandbox.querying import Page, run_query
from trackteroid.sandbox.searching import search
from trackteroid.sandbox.uploads import complete_multipart_upload, generate_signed_url, get_upload_metadata

__all__ = ["ACTIONS"]


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
    return _page("query", run_query(call.rows, text_of(operation, "expression")))


def _search(call: Call, operation: Operation) -> Any:
    return _page("search", search(call, operation))


def _reset_remote(call: Call, operation: Operation) -> Any:
    if operation.get("reset_type") != "api_key":
        raise ValidationError(f"Cannot reset {operation.get('reset_type')!r}.")
    user_id = operation.get("entity_key") or call.caller.user_id
    if isinstance(user_id, list) and len(user_id) == 1:
        user_id = user_id[0]
    user_id = text_of({"action": "reset_remote", "entity_key": user_id}, "entity_key")
    known = call.storage.column('SELECT "id" FROM "Resource" WHERE "__type" = \'User\' AND "id" = ?', (user_id,))
    if not known:
        raise ValidationError(f"There is no user {user_id}.")
    api_key = call.new_id()
    replace_keys(call.storage, api_key, known[0])
    return {"action": "reset_remote", "data": {"api_key": api_key}}


def _widget_url(call: Call, operation: Operation) -> Any:
    return {"widget_url": f"{call.url}/widget/{text_of(operation, 'name')}"}


def _invite(entity_type: str, key: str) -> Callable[[Call, Operation], Any]:
    def invite(call: Call, operation: Operation) -> Any:
        identifier = text_of(operation, key)
        table = call.sight.table(call.storage.schema.type(entity_type).table)
        if not call.storage.column(f'SELECT 1 FROM {table} WHERE "id" = ?', (identifier,)):
            raise ValidationError(f"There is no {entity_type} {identifier} to send an invitation to.")
        return {"sent": True}

    return invite


def _totp(call: Call, operation: Operation) -> Any:
    if not operation.get("code"):
        raise ValidationError("The code must not be empty.")
    return {"action": "configure_totp", "data": None}


ACTIONS: Mapping[str, Callable[[Call, Operation], Any]] = {
    "_track_usage": lambda call, operation: {"action": "_track_usage"},
    "complete_multipart_upload": complete_multipart_upload,
    "compute_rollups": lambda call, operation: {"data": []},
    "configure_totp": _totp,
    "delayed_job": lambda call, operation: {"action": "delayed_job", "data": None},
    "encode_media": encode_media,
    "generate_signed_url": generate_signed_url,
    "get_upload_metadata": get_upload_metadata,
    "get_widget_url": _widget_url,
    "permissions": lambda call, operation: {"action": "permissions", "data": {}},
    "query": _query,
    "query_schemas": _schemas,
    "query_server_information": _server_information,
    "reset_remote": _reset_remote,
    "search": _search,
    "send_review_session_invite": _invite("ReviewSessionInvitee", "review_session_invitee_id"),
    "send_user_invite": _invite("User", "user_id"),
}
