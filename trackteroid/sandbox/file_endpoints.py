"""Upload, download and removal of components' data (specification 1.6), and the pages that clients only open."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from trackteroid.sandbox.api import Api
from trackteroid.sandbox.credentials import authenticate
from trackteroid.sandbox.errors import ApiError
from trackteroid.sandbox.stored_files import data_of, remove_data, store_data, store_part
from trackteroid.sandbox.thumbnails import scaled
from trackteroid.sandbox.visibility import sight_of

__all__ = ["FileEndpoints"]

# One transparent pixel.
_PLACEHOLDER = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
# The size that the JavaScript client asks for, and the largest that is worth the memory.
_THUMBNAIL_SIZE = 300
_LARGEST_THUMBNAIL = 4096


class FileEndpoints:
    """The endpoints that move files."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._storage = api.storage

    async def upload(self, request: Request) -> Response:
        """`PUT` to a URL from `get_upload_metadata` or `generate_signed_url`; a new upload replaces."""
        link = self._api.links.read(request.path_params["token"], "put")
        if link is None:
            return PlainTextResponse("There is no such upload, or it is too late for it.", 403)
        content = await request.body()
        digest = hashlib.md5(content, usedforsecurity=False)
        expected = request.headers.get("content-md5")
        if expected is not None and expected.strip() != base64.b64encode(digest.digest()).decode("ascii"):
            return PlainTextResponse("The data does not match its Content-MD5.", 400)
        with self._storage.transaction():
            if link.upload_id is None:
                store_data(self._storage, link.component_id, content)
            elif not store_part(self._storage, link.upload_id, link.part, content):
                return PlainTextResponse("There is no such upload any more.", 404)
        return Response(status_code=200, headers={"ETag": f'"{digest.hexdigest()}"'})

    async def download(self, request: Request) -> Response:
        """`GET` with credentials."""
        found = self._asked_for(request)
        return found if isinstance(found, Response) else self._file(*found)

    async def signed_download(self, request: Request) -> Response:
        """`GET` of a URL from `generate_signed_url`."""
        link = self._api.links.read(request.path_params["token"], "get")
        if link is None:
            return PlainTextResponse("This address is not valid, or not any more.", 403)
        with self._storage.lock:
            content = data_of(self._storage, link.component_id)
        return _missing() if content is None else self._file(link.component_id, content)

    async def thumbnail(self, request: Request) -> Response:
        """The stored picture, scaled to fit a square of `size` pixels; as it is if it is no picture."""
        try:
            size = int(request.query_params.get("size", _THUMBNAIL_SIZE))
        except ValueError:
            size = 0
        if not 1 <= size <= _LARGEST_THUMBNAIL:
            return PlainTextResponse(f'"size" must be a number from 1 to {_LARGEST_THUMBNAIL}.', 400)
        found = self._asked_for(request)
        if isinstance(found, Response):
            return found if found.status_code != 404 else self._picture(_PLACEHOLDER)
        # Large pictures take long: events and other requests must not wait.
        picture = await run_in_threadpool(scaled, found[1], size)
        return self._file(*found) if picture is None else self._picture(picture)

    async def remove(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        with self._storage.transaction():
            remove_data(self._storage, request.query_params["id"])
        return JSONResponse({})

    async def placeholder(self, request: Request) -> Response:
        return self._picture(_PLACEHOLDER)

    async def widget(self, request: Request) -> Response:
        return Response(f"<!DOCTYPE html><title>{quote(request.path_params['name'])}</title>", media_type="text/html")

    @staticmethod
    def _picture(content: bytes) -> Response:
        return Response(content, media_type="image/png")

    def _refusal(self, request: Request) -> Response | None:
        parameters = request.query_params
        component_id = parameters.get("id")
        if not component_id:
            return PlainTextResponse("The id of a component is missing.", 400)
        try:
            with self._storage.lock:
                caller = authenticate(self._storage, parameters.get("username"), parameters.get("apiKey"))
                sight_of(self._storage, caller.user_id).check_component(self._storage, component_id)
        except ApiError as error:
            return PlainTextResponse(error.content, error.status)
        return None

    def _asked_for(self, request: Request) -> tuple[str, bytes] | Response:
        """The component and its data, or why there is none."""
        with self._storage.lock:
            refusal = self._refusal(request)
            if refusal is not None:
                return refusal
            component_id = request.query_params["id"]
            content = data_of(self._storage, component_id)
        return _missing() if content is None else (component_id, content)

    def _file(self, component_id: str, content: bytes) -> Response:
        with self._storage.lock:
            row = self._storage.execute(
                'SELECT "name", "file_type" FROM "Component" WHERE "id" = ?', (component_id,)
            ).fetchone()
        name, suffix = row or (component_id, "")
        shown = (name or component_id) + (f".{suffix.lstrip('.')}" if suffix else "")
        return Response(
            content,
            media_type=mimetypes.guess_type(shown)[0] or "application/octet-stream",
            headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(shown)}"},
        )


def _missing() -> Response:
    return PlainTextResponse("There is no data of this component.", 404)
