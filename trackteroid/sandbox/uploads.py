"""The actions that hand out URLs of files (specification 1.6, 1.7)."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from trackteroid.sandbox.call import Call, Operation, text_of
from trackteroid.sandbox.errors import MalformedRequestError, ValidationError
from trackteroid.sandbox.stored_files import Part, begin_upload, join_parts

__all__ = ["complete_multipart_upload", "generate_signed_url", "get_upload_metadata"]

# As many as the storage services take that real servers hand uploads on to.
_MOST_PARTS = 10000


def get_upload_metadata(call: Call, operation: Operation) -> dict[str, Any]:
    """Where to put a component's data, whole or in parts.

    Raises:
        ApiError: Something is missing, or the component is hidden from the caller.
    """
    component_id, name = text_of(operation, "component_id"), text_of(operation, "file_name")
    call.sight.check_component(call.storage, component_id)
    parts = operation.get("parts")
    if parts is not None:
        return _in_parts(call, component_id, parts)
    headers = {
        "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "Content-Length": str(operation.get("file_size") or 0),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
    }
    if operation.get("checksum"):
        headers["Content-MD5"] = str(operation["checksum"])
    return {"url": call.links.upload(component_id), "headers": headers, "component_id": component_id}


def _in_parts(call: Call, component_id: str, parts: Any) -> dict[str, Any]:
    if isinstance(parts, bool) or not isinstance(parts, int) or not 1 <= parts <= _MOST_PARTS:
        raise ValidationError(f'"parts" must be a number from 1 to {_MOST_PARTS}. Got {parts!r}.')
    upload_id = call.new_id()
    begin_upload(call.storage, upload_id, component_id, parts)
    urls = [
        {"signed_url": call.links.upload(component_id, upload_id=upload_id, part=number), "part_number": number}
        for number in range(1, parts + 1)
    ]
    return {"component_id": component_id, "upload_id": upload_id, "urls": urls}


def complete_multipart_upload(call: Call, operation: Operation) -> dict[str, Any]:
    """Make the uploaded parts the component's data.

    Raises:
        ApiError: The list of parts is malformed, or not what was uploaded.
    """
    component_id, upload_id = text_of(operation, "component_id"), text_of(operation, "upload_id")
    call.sight.check_component(call.storage, component_id)
    parts = operation.get("parts")
    if not isinstance(parts, list):
        raise MalformedRequestError('"parts" must be a list of objects with "part_number" and "e_tag".')
    join_parts(call.storage, upload_id, component_id, [_part(part) for part in parts])
    url = call.rows.file_url("get", component_id)
    return {"action": "complete_multipart_upload", "component_id": component_id, "url": url}


def _part(part: Any) -> Part:
    if isinstance(part, Mapping):
        number, tag = part.get("part_number"), part.get("e_tag")
        if isinstance(number, int) and isinstance(tag, str):
            return Part(number, tag)
    raise MalformedRequestError('"parts" must be a list of objects with "part_number" and "e_tag".')


def generate_signed_url(call: Call, operation: Operation) -> dict[str, Any]:
    """A URL that gets or puts a component's data without credentials.

    Raises:
        ApiError: Another operation is wanted, or the component is hidden from the caller.
    """
    component_id, wanted = text_of(operation, "component_id"), operation.get("operation") or "get"
    call.sight.check_component(call.storage, component_id)
    if wanted == "get":
        return {"signed_url": call.links.download(component_id)}
    if wanted == "put":
        return {"signed_url": call.links.upload(component_id)}
    raise ValidationError(f'"operation" must be "get" or "put". Got {wanted!r}.')
