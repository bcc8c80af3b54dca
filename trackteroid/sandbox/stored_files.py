"""The data of components in the `ftrack.server` location. It lives in the database, by component id."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from trackteroid.sandbox.errors import ValidationError
from trackteroid.sandbox.storage import Storage

__all__ = ["Part", "begin_upload", "data_of", "join_parts", "remove_data", "store_data", "store_part"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload as the client names it: its number and what the server said about it."""

    number: int
    tag: str


def store_data(storage: Storage, component_id: str, content: bytes) -> None:
    """Keep a component's data; the component itself need not exist yet. What was there is replaced."""
    storage.execute(
        'INSERT OR REPLACE INTO "__data" ("component_id", "content") VALUES (?, ?)', (component_id, content)
    )


def data_of(storage: Storage, component_id: str) -> bytes | None:
    row = storage.execute('SELECT "content" FROM "__data" WHERE "component_id" = ?', (component_id,)).fetchone()
    return None if row is None else row[0]


def remove_data(storage: Storage, component_id: str) -> None:
    storage.execute('DELETE FROM "__data" WHERE "component_id" = ?', (component_id,))


def begin_upload(storage: Storage, upload_id: str, component_id: str, parts: int) -> None:
    """Expect a number of parts."""
    storage.execute('INSERT INTO "__upload" VALUES (?, ?, ?)', (upload_id, component_id, parts))


def store_part(storage: Storage, upload_id: str, number: int, content: bytes) -> bool:
    """Keep a part until the upload is completed. Returns whether there is such an upload."""
    if not storage.column('SELECT 1 FROM "__upload" WHERE "id" = ?', (upload_id,)):
        return False
    tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    storage.execute('INSERT OR REPLACE INTO "__part" VALUES (?, ?, ?, ?)', (upload_id, number, tag, content))
    return True


def join_parts(storage: Storage, upload_id: str, component_id: str, parts: Sequence[Part]) -> None:
    """Make the parts, in the order of their numbers, the component's data, and forget them.

    Raises:
        ValidationError: There is no such upload, or the parts are not the ones that arrived.
    """
    expected = storage.column(
        'SELECT "parts" FROM "__upload" WHERE "id" = ? AND "component_id" = ?', (upload_id, component_id)
    )
    if not expected:
        raise ValidationError(f"There is no upload {upload_id} for component {component_id}.")
    arrived = dict(storage.execute('SELECT "number", "tag" FROM "__part" WHERE "upload_id" = ?', (upload_id,)))
    named = {part.number: part.tag.strip('"') for part in parts}
    for number in range(1, expected[0] + 1):
        if number not in arrived:
            raise ValidationError(f"Part {number} of upload {upload_id} has not been uploaded.")
        if named.get(number) != arrived[number]:
            raise ValidationError(f'Part {number} of upload {upload_id} is "{arrived[number]}", not as named.')
    pieces = storage.column('SELECT "content" FROM "__part" WHERE "upload_id" = ? ORDER BY "number"', (upload_id,))
    store_data(storage, component_id, b"".join(pieces))
    storage.execute('DELETE FROM "__part" WHERE "upload_id" = ?', (upload_id,))
    storage.execute('DELETE FROM "__upload" WHERE "id" = ?', (upload_id,))
