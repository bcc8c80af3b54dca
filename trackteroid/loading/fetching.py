"""Fetching: how a session asks for entities, page after page, and what becomes of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ftrack_api.exception
import ftrack_api.query

from trackteroid.errors import ServerCallError
from trackteroid.loading.reusing import ReusingResults

if TYPE_CHECKING:
    from trackteroid.loading.loader import Loader

__all__ = ["Fetching"]

# The page size that the client uses (ftrack_api.session.Session.query).
_PAGE_SIZE = 500


class Fetching(ReusingResults):
    """The part of a session that fetches entities."""

    _loader: Loader

    def decode(self, string: str) -> Any:
        """As the client's."""
        return self._loader.decode(string, super().decode)

    def _query(self, expression: str) -> tuple[list[Any], Mapping[str, Any]]:
        answer = self._loader.query(expression)
        if answer is None:
            answer = super()._query(expression)
        return answer

    def populate(self, entities: Any, projections: str) -> None:
        """Fetch attributes of entities, as the client's; the ids of many are sent in chunks, each once.

        Args:
            entities: One entity, or a list, tuple or query result of them, of one type. New ones are left out.
            projections: The attributes, as between `select` and `from` of a query.
        """
        from trackteroid.loading.populating import questions

        if not isinstance(entities, (list, tuple, ftrack_api.query.QueryResult)):
            entities = [entities]
        for question in questions(self, entities, projections):
            # All of the answer is asked for now; it is merged into the entities.
            self.query(question).all()

    def fetch_entities(
        self,
        expression: str,
        *,
        limit: int | None = None,
        offset: int = 0,
        on_miss: Callable[[], None] | None = None,
    ) -> list[Any]:
        """Return the entities that a query finds, merged into this session.

        Limit and offset are handed over separately because the client looks for the words anywhere in the text, values
        included (defect D53).

        Args:
            expression: A query that starts with `select`, with its order but without limit and offset.
            limit: Most entities to return; None: all.
            offset: How many to skip.
            on_miss: Called just before the server is asked; not called when the shared cache answers.

        Raises:
            ftrack_api.exception.ServerError: The server cannot answer the query.
        """
        sharing = self._reused_results.sharing
        if sharing is not None:
            rows = self.query_cache.rows(
                expression,
                limit,
                offset,
                lambda: self._ask_rows(expression, limit, offset, on_miss),
                ttl=sharing.ttl,
            )
            return self._merge_rows(rows)
        if on_miss is not None:
            on_miss()
        return _paged(expression, limit, offset, self._query)

    def _ask_rows(
        self, expression: str, limit: int | None, offset: int, on_miss: Callable[[], None] | None
    ) -> list[Any]:
        if on_miss is not None:
            on_miss()
        return _paged(expression, limit, offset, self._query_rows)

    def _query_rows(self, expression: str) -> tuple[list[Any], Mapping[str, Any]]:
        try:
            (result,) = self.exchange([{"action": "query", "expression": expression}])
        except ServerCallError as error:
            raise ftrack_api.exception.ServerError(str(error)) from error
        return result["data"], result.get("metadata") or {}

    def _merge_rows(self, rows: list[Any]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(rows), _PAGE_SIZE):
            page = rows[start : start + _PAGE_SIZE]
            prepared = self._loader.prepare(page)
            found += self._loader.merge_page(self.decode(json.dumps(page)) if prepared is None else prepared)
        return found


def _paged(
    expression: str, limit: int | None, offset: int, ask: Callable[[str], tuple[list[Any], Mapping[str, Any]]]
) -> list[Any]:
    """Return what `ask` (query text -> rows, metadata) answers, page after page."""
    rows: list[Any] = []
    following: int | None = offset
    while following is not None:
        size = _PAGE_SIZE if limit is None else min(_PAGE_SIZE, limit - len(rows))
        page, metadata = ask(f"{expression} offset {following} limit {size}")
        rows.extend(page)
        if limit is not None and len(rows) >= limit:
            return rows[:limit]
        following = (metadata.get("next") or {}).get("offset")
    return rows
