"""`encode_media` (specification 2.14): a job with output components. Nothing is really encoded."""

from __future__ import annotations

import json
from typing import Any

from trackteroid.sandbox.call import Call, Operation, text_of
from trackteroid.sandbox.errors import ValidationError
from trackteroid.sandbox.stored_files import data_of, store_data
from trackteroid.sandbox.thumbnails import jpeg_of, plain_jpeg

__all__ = ["encode_media"]

_SERVER_LOCATION = "3a372bde-05bc-11e4-8908-20c9d081909b"


def encode_media(call: Call, operation: Operation) -> dict[str, Any]:
    """Make the components that an encoder would make, and a finished job that lists them.

    A picture gives a JPEG of itself. Anything else gives a video, which is the source's data as it is, and a grey JPEG:
    a server for tests does not bring a video encoder along.

    Raises:
        ApiError: The component or version does not exist, or there is no data of the component on this server.
    """
    source_id, version_id = text_of(operation, "component_id"), operation.get("version_id")
    call.sight.check_component(call.storage, source_id)
    known = call.storage.column('SELECT 1 FROM "Component" WHERE "id" = ?', (source_id,))
    content = data_of(call.storage, source_id)
    if not known or content is None:
        raise ValidationError(f"There is no component {source_id} with data in ftrack.server to encode.")
    if version_id is not None:
        version_id = text_of(operation, "version_id")
    picture = jpeg_of(content)
    outputs = [("image/jpeg", "ftrackreview-image", ".jpg", picture or plain_jpeg())]
    if picture is None:
        outputs.insert(0, ("video/mp4", "ftrackreview-mp4", ".mp4", content))
    keep_original = bool(operation.get("keep_original", True))
    job_id = call.new_id()
    listed = [
        {"format": kind, "component_id": _add_component(call, name, suffix, data, version_id)}
        for kind, name, suffix, data in outputs
    ]
    described = {"output": listed, "source_component_id": source_id, "keep_original": keep_original}
    _create(call, "Job", id=job_id, status="done", data=json.dumps(described))
    for output in listed:
        _create(call, "JobComponent", job_id=job_id, component_id=output["component_id"])
    if not keep_original:
        call.write({"action": "delete", "entity_type": "Component", "entity_key": [source_id]})
    return {"job_id": job_id}


def _add_component(call: Call, name: str, suffix: str, content: bytes, version_id: str | None) -> str:
    component_id = call.new_id()
    _create(
        call,
        "FileComponent",
        id=component_id,
        name=name,
        file_type=suffix,
        size=len(content),
        version_id=version_id,
    )
    _create(
        call,
        "ComponentLocation",
        component_id=component_id,
        location_id=_SERVER_LOCATION,
        # As the client's own structure plugin of that location does it.
        resource_identifier=component_id,
    )
    store_data(call.storage, component_id, content)
    return component_id


def _create(call: Call, entity_type: str, **data: Any) -> None:
    call.write({"action": "create", "entity_type": entity_type, "entity_data": data})
