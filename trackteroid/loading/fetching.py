"""Fetching: how a session asks for entities, page after page, and what becomes of the answers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ftrack_api.exception
import ftrack_api.query

from trackteroid.cache.reused_results import Sharing
from trackteroid.loading.reusing import ReusingResults

if TYPE_CHECKING:
    from trackteroid.cache.query_cache import Answer
    from trackteroid.loading.loader import Loader

__all__ = ["Fetching"]

# The page size that the client uses (ftrack_api.session.Session.query).
_PAGE_SIZE = 500

# A page: its entities, and what the server said about it.
_Page = tuple[list[Any], Mapping[str, Any]]

# The responses' texts that this thread is to keep.
_thread = threading.local()


class Fetching(ReusingResults):
    """The part of a session that fetches entities."""

    _loader: Loader
    _generation: int

    def encode(self, data: Any, entity_attribute_strategy: str = "set_only") -> Any:
        """As the client's."""
        return self._loader.encode(data, lambda: super(Fetching, self).encode(data, entity_attribute_strategy))

    def decode(self, string: str) -> Any:
        """As the client's."""
        texts: list[str] | None = getattr(_thread, "texts", None)
        if texts is not None:
            texts.append(string)
        return self._loader.decode(string, super().decode)

    def _query(self, expression: str) -> _Page:
        return self._page(expression, None)

    def _page(self, expression: str, on_miss: Callable[[], None] | None) -> _Page:
        """Return a page from the shared cache where results are shared, else from the server."""
        sharing = self._sharing
        if sharing is None:
            if on_miss is not None:
                on_miss()
            return self._ask(expression)
        return self.query_cache.answer(
            expression,
            lambda: self._ask_and_keep(expression, on_miss),
            self._read_kept,
            ttl=sharing.ttl,
            max_stale=sharing.max_stale,
        )

    @property
    def _sharing(self) -> Sharing | None:
        # What the client's constructor asks for comes before there is anything to share it by.
        is_connecting = not self._generation or "_predecessor" in self.__dict__
        return None if is_connecting else self._reused_results.sharing

    def _ask(self, expression: str) -> _Page:
        answer = self._loader.query(expression)
        if answer is None:
            answer = super()._query(expression)
        return answer

    def _ask_and_keep(self, expression: str, on_miss: Callable[[], None] | None) -> Answer[_Page]:
        """Ask the server, and keep the text of its response."""
        from trackteroid.cache.query_cache import Answer

        if on_miss is not None:
            on_miss()
        texts: list[str] = []
        _thread.texts = texts
        try:
            page = self._ask(expression)
        finally:
            _thread.texts = None
        return Answer(page, texts[0] if len(texts) == 1 else None)

    def _read_kept(self, text: str) -> _Page | None:
        """Return the page that a response says, None if it is none."""
        try:
            (result,) = self._loader.read(text)
            rows, metadata = result["data"], result["metadata"]
            following = (metadata.get("next") or {}).get("offset")
        except (AttributeError, KeyError, TypeError, ValueError, ftrack_api.exception.Error):
            return None
        if not isinstance(rows, list) or not isinstance(following, int | None) or not all(map(self._loader.fits, rows)):
            return None
        return self._loader.merge_page(rows), metadata

    def query(self, expression: str, page_size: int = _PAGE_SIZE) -> Any:
        """As the client's.

        Raises:
            TypeError: `expression` is no text.
        """
        if not isinstance(expression, str):
            raise TypeError(
                f"session.query takes a text in ftrack's query language, not {expression!r}; classes are asked for by "
                f"trackteroid's Query(Shot, session=session)."
            )
        return super().query(expression, page_size)

    def populate(self, entities: Any, projections: str) -> None:
        """Fetch attributes of entities, as the client's; the ids of many are sent in chunks, each once.

        Args:
            entities: One entity, or a collection, list, tuple or query result of them, of one type. New ones are left out.
            projections: The attributes, as between `select` and `from` of a query.
        """
        from trackteroid.loading.populating import questions

        # A collection, as far as this layer knows of them.
        entities = getattr(entities, "client_entities", entities)
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
        told = False

        def tell() -> None:
            nonlocal told
            if not told and on_miss is not None:
                on_miss()
            told = True

        with contextlib.nullcontext() if self._sharing is None else self.query_cache.reading():
            return _paged(expression, limit, offset, lambda text: self._page(text, tell))


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
