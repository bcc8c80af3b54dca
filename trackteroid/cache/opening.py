"""From settings to a cache: of a session, or of an ftrack server for people and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from trackteroid.cache.connection import CacheConnection, connection_to
from trackteroid.cache.namespaces import named_namespace, namespace_of, namespace_tag, server_key, tag
from trackteroid.cache.query_cache import QueryCache, TagIndex
from trackteroid.cache.statistics import CacheStatistics
from trackteroid.settings import Settings

__all__ = ["clear", "farm_statistics", "open_query_cache"]


def open_query_cache(
    settings: Settings,
    *,
    server_url: str,
    api_user: str,
    api_key: str,
    schemas: Sequence[Mapping[str, Any]],
    namespace: str | None,
    schema_hash: str,
) -> QueryCache:
    """Return the cache that the settings name; nothing is connected yet.

    Args:
        server_url: Normalised.
        api_user, api_key, schema_hash, namespace: See `namespace_of`.
        schemas: The server's.

    Raises:
        SettingsError: The cache's URL can't be used.
    """
    connection = connection_to(
        settings.effective_query_cache_url, timeout=settings.cache_timeout, longest_wait=settings.cache_wait_seconds
    )
    return QueryCache(
        connection,
        server=server_key(server_url),
        namespace=namespace_of(api_user=api_user, api_key=api_key, schema_hash=schema_hash, name=namespace),
        tags=_tags(_Schemas(schema_hash, schemas)),
        ttl=settings.cache_ttl_seconds,
        entry_limit=settings.cache_entry_limit,
        expected=settings.effective_query_cache_url != Settings().redis_url,
    )


def clear(settings: Settings, server_url: str, *, namespace: str | None = None, tags: Iterable[str] = ()) -> None:
    """Make cached results of a server unreachable, for all processes.

    Args:
        server_url: Normalised.
        namespace: Only those of the sessions that share under this name, or whose `query_cache.namespace` this is.
        tags: Only those that depend on one of these tags.

    Raises:
        CacheUnavailableError: Redis does not answer.
    """
    server = server_key(server_url)
    raised = [tag(server, name) for name in tags]
    if namespace is not None:
        raised += [namespace_tag(server, namespace), namespace_tag(server, named_namespace(namespace))]
    _patient_connection(settings).backend.raise_(raised or [tag(server, "server")])


def farm_statistics(settings: Settings, server_url: str) -> CacheStatistics:
    """Return what all processes together got out of the cache for a server.

    Args:
        server_url: Normalised.

    Raises:
        CacheUnavailableError: Redis does not answer.
    """
    return CacheStatistics.of(_patient_connection(settings).backend.counts(server_key(server_url)))


def _patient_connection(settings: Settings) -> CacheConnection:
    """For people, who would rather wait a second than be told that Redis was slow."""
    return connection_to(
        settings.effective_query_cache_url,
        timeout=max(1.0, settings.cache_timeout),
        longest_wait=settings.cache_wait_seconds,
    )


class _Schemas:
    """Schemas that are equal if their hash is, so that the sessions of one schema share what is made of them."""

    def __init__(self, schema_hash: str, schemas: Sequence[Mapping[str, Any]]) -> None:
        self.schema_hash = schema_hash
        self.schemas = schemas

    def __hash__(self) -> int:
        return hash(self.schema_hash)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Schemas) and other.schema_hash == self.schema_hash


@lru_cache(maxsize=8)
def _tags(known: _Schemas) -> TagIndex:
    from trackteroid.cache.tags import Tags

    return Tags(known.schemas)
