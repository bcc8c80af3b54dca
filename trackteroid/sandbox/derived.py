"""Attributes that no column holds (specification 2.11, "Derived on read").

Two tables: those that SQL can express may be used in criteria and for sorting; the others are worked out for finished rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.visibility import EVERYTHING, Sight

__all__ = ["ROW_ATTRIBUTES", "SQL_EXPRESSIONS", "RowContext"]

# (table, attribute) -> expression over the row `{row}`.
_TIME_LOGGED = 'COALESCE((SELECT SUM(t."duration") FROM "Timelog" t WHERE t."context_id" = {row}."id"), 0)'
SQL_EXPRESSIONS: Mapping[tuple[str, str], str] = {
    ("Asset", "latest_version_id"): (
        '(SELECT v."id" FROM "AssetVersion" v WHERE v."asset_id" = {row}."id" ORDER BY v."version" DESC LIMIT 1)'
    ),
    ("AssetVersion", "is_latest_version"): (
        '({row}."asset_id" IS NULL OR NOT EXISTS (SELECT 1 FROM "AssetVersion" v'
        ' WHERE v."asset_id" = {row}."asset_id" AND v."version" > {row}."version"))'
    ),
    ("Context", "time_logged"): _TIME_LOGGED,
    ("Context", "bid_time_logged_difference"): '({row}."bid" - ' + _TIME_LOGGED + ")",
    ("ReviewSession", "is_open"): '(sandbox_now() BETWEEN {row}."start_date" AND {row}."end_date")',
    ("ReviewSession", "thumbnail_id"): (
        '(SELECT v."thumbnail_id" FROM "ReviewSessionObject" o JOIN "AssetVersion" v ON v."id" = o."version_id"'
        ' WHERE o."review_session_id" = {row}."id" ORDER BY o."__seq" DESC LIMIT 1)'
    ),
}


@dataclass(frozen=True, kw_only=True)
class RowContext:
    """A request, as far as reading is concerned: the database, the server's URL, who asks.

    Attributes:
        denormalized: Entities that occur in several places of an answer are written out in each.
        sight: What the caller sees of the rows.
    """

    storage: Storage
    url: str
    username: str
    api_key: str
    denormalized: bool = False
    sight: Sight = EVERYTHING

    def file_url(self, what: str, component_id: str) -> str:
        """Address of a component's data, with the caller's credentials, as a real server's."""
        return (
            f"{self.url}/component/{what}?id={quote(component_id)}"
            f"&username={quote(self.username)}&apiKey={quote(self.api_key)}"
        )


@dataclass(frozen=True, kw_only=True)
class RowAttribute:
    """`columns` are read with the row; `values` turns the rows' columns into the attribute's values, all at once."""

    columns: tuple[str, ...]
    values: Callable[[RowContext, list[tuple[Any, ...]]], Iterable[Any]]


def _thumbnail_urls(context: RowContext, rows: list[tuple[Any, ...]]) -> Iterable[Any]:
    for (component_id,) in rows:
        if component_id is None:
            yield {"url": f"{context.url}/img/thumbnail2.png"}
        else:
            yield {"url": context.file_url("thumbnail", component_id)}


def _download_urls(context: RowContext, rows: list[tuple[Any, ...]]) -> Iterable[Any]:
    for (component_id,) in rows:
        yield None if component_id is None else {"value": context.file_url("get", component_id)}


def _context_links(context: RowContext, rows: list[tuple[Any, ...]]) -> Iterable[Any]:
    links = _links_of(context.storage, {row[0] for row in rows})
    return [links.get(row[0], []) for row in rows]


_LINKS = """
WITH wanted AS (SELECT value AS "id" FROM json_each(?)),
     chain AS (SELECT "id" AS "descendant_id", "id" AS "ancestor_id", 0 AS "depth" FROM wanted
               UNION ALL
               SELECT a."descendant_id", a."ancestor_id", a."depth"
               FROM wanted w JOIN "Ancestry" a ON a."descendant_id" = w."id")
SELECT chain."descendant_id", c."id", c."__type", c."name", c."full_name"
FROM chain JOIN "Context" c ON c."id" = chain."ancestor_id"
ORDER BY chain."depth" DESC
"""


def _links_of(storage: Storage, ids: set[str]) -> dict[str, list[dict[str, Any]]]:
    links: dict[str, list[dict[str, Any]]] = {}
    found = storage.execute(_LINKS, (json.dumps(list(ids)),))
    for descendant, identifier, type_name, name, full_name in found:
        is_project = type_name == "Project"
        links.setdefault(descendant, []).append(
            {
                "id": identifier,
                "name": (full_name or name) if is_project else name,
                "type": "Project" if is_project else "TypedContext",
            }
        )
    return links


def _version_links(context: RowContext, rows: list[tuple[Any, ...]]) -> Iterable[Any]:
    asset_ids = json.dumps([row[1] for row in rows if row[1] is not None])
    assets = {
        row[0]: row
        for row in context.storage.execute(
            'SELECT "id", "name", "context_id" FROM "Asset" WHERE "id" IN (SELECT value FROM json_each(?))',
            (asset_ids,),
        )
    }
    links = _links_of(context.storage, {asset[2] for asset in assets.values() if asset[2] is not None})
    for identifier, asset_id, version in rows:
        asset = assets.get(asset_id)
        above = links.get(asset[2]) if asset is not None else None
        if asset is None or above is None:
            yield []
        else:
            name = f"{asset[1]} v{version or 0:03d}"
            yield [*above, {"id": identifier, "name": name, "type": "AssetVersion"}]


def _group_links(context: RowContext, rows: list[tuple[Any, ...]]) -> Iterable[Any]:
    for (identifier,) in rows:
        link: list[dict[str, Any]] = []
        seen: set[str] = set()
        current: str | None = identifier
        while current is not None and current not in seen:
            seen.add(current)
            row = context.storage.execute(
                'SELECT "name", "parent_id" FROM "Resource" WHERE "id" = ?', (current,)
            ).fetchone()
            if row is None:
                break
            link.insert(0, {"id": current, "name": row[0], "type": "Group"})
            current = row[1]
        yield link


_THUMBNAIL = RowAttribute(columns=("thumbnail_id",), values=_thumbnail_urls)
_COMPONENT_THUMBNAIL = RowAttribute(columns=("component_id",), values=_thumbnail_urls)
_DOWNLOAD = RowAttribute(columns=("component_id",), values=_download_urls)
_CONTEXT_LINK = RowAttribute(columns=("id",), values=_context_links)
_VERSION_LINK = RowAttribute(columns=("id", "asset_id", "version"), values=_version_links)

ROW_ATTRIBUTES: Mapping[tuple[str, str], RowAttribute] = {
    ("Context", "link"): _CONTEXT_LINK,
    ("Context", "_link"): _CONTEXT_LINK,
    ("Context", "thumbnail_url"): _THUMBNAIL,
    ("AssetVersion", "link"): _VERSION_LINK,
    ("AssetVersion", "_link"): _VERSION_LINK,
    ("AssetVersion", "thumbnail_url"): _THUMBNAIL,
    ("Resource", "link"): RowAttribute(columns=("id",), values=_group_links),
    ("Resource", "thumbnail_url"): _THUMBNAIL,
    ("ReviewSession", "thumbnail_url"): _THUMBNAIL,
    ("ComponentLocation", "url"): _DOWNLOAD,
    ("JobComponent", "url"): _DOWNLOAD,
    ("NoteComponent", "url"): _DOWNLOAD,
    ("NoteComponent", "thumbnail_url"): _COMPONENT_THUMBNAIL,
    ("SettingComponent", "url"): _DOWNLOAD,
    ("SettingComponent", "thumbnail_url"): _COMPONENT_THUMBNAIL,
}
