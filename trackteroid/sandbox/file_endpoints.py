"""Upload, download and removal of components' data (specification 1.6), and the pages that clients only open."""

from __future__ import annotations

import base64
import binascii
import hashlib
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from trackteroid.sandbox.api import Api
from trackteroid.sandbox.credentials import authenticate
from trackteroid.sandbox.errors import InvalidCredentialsError

__all__ = ["FileEndpoints"]

# One transparent pixel.
_PLACEHOLDER = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


class FileEndpoints:
    """The endpoints that move files. Data is kept in the database, by component id."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._storage = api.storage

    async def upload(self, request: Request) -> Response:
        """`PUT` to a URL from `get_upload_metadata`; needs no credentials, a new upload replaces."""
        try:
            component_id = base64.urlsafe_b64decode(request.path_params["token"]).decode("utf-8")
        except (binascii.Error, ValueError):
            return PlainTextResponse("There is no such upload.", 404)
        content = await request.body()
        digest = hashlib.md5(content, usedforsecurity=False)
        expected = request.headers.get("content-md5")
        if expected is not None and expected != base64.b64encode(digest.digest()).decode("ascii"):
            return PlainTextResponse("The data does not match its Content-MD5.", 400)
        with self._storage.transaction():
            self._storage.execute(
                'INSERT OR REPLACE INTO "__data" ("component_id", "content") VALUES (?, ?)', (component_id, content)
            )
        return Response(status_code=200, headers={"ETag": f'"{digest.hexdigest()}"'})

    async def download(self, request: Request) -> Response:
        return self._stored(request)

    async def thumbnail(self, request: Request) -> Response:
        """The stored image, not scaled: without an image library that is what we can do."""
        response = self._stored(request)
        return response if response.status_code != 404 else self._picture()

    async def remove(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        with self._storage.transaction():
            self._storage.execute('DELETE FROM "__data" WHERE "component_id" = ?', (request.query_params["id"],))
        return JSONResponse({})

    async def placeholder(self, request: Request) -> Response:
        return self._picture()

    async def widget(self, request: Request) -> Response:
        return Response(f"<!DOCTYPE html><title>{quote(request.path_params['name'])}</title>", media_type="text/html")

    @staticmethod
    def _picture() -> Response:
        return Response(_PLACEHOLDER, media_type="image/png")

    def _refusal(self, request: Request) -> Response | None:
        parameters = request.query_params
        if not parameters.get("id"):
            return PlainTextResponse("The id of a component is missing.", 400)
        try:
            with self._storage.lock:
                authenticate(self._storage, parameters.get("username"), parameters.get("apiKey"))
        except InvalidCredentialsError as error:
            return PlainTextResponse(error.content, 401)
        return None

    def _stored(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        component_id = request.query_params["id"]
        with self._storage.lock:
            row = self._storage.execute(
                'SELECT d."content", c."name", c."file_type" FROM "__data" d'
                ' LEFT JOIN "Component" c ON c."id" = d."component_id" WHERE d."component_id" = ?',
                (component_id,),
            ).fetchone()
        if row is None:
            return PlainTextResponse("There is no data of this component.", 404)
        name = quote(f"{row[1] or component_id}{row[2] or ''}")
        return Response(
            row[0],
            media_type="application/octet-stream",
            headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
        )
