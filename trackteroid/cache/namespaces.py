"""Who shares cached results with whom."""

from __future__ import annotations

import hashlib
import json

__all__ = ["named_namespace", "namespace_of", "namespace_tag", "server_key", "tag"]


def server_key(server_url: str) -> str:
    """Return a short digest of a server's normalised URL (`normalise_server_url`), under which its results are kept."""
    return hashlib.sha256(server_url.encode()).hexdigest()[:16]


def tag(server: str, name: str) -> str:
    """Return the tag `name` of a server, given its key."""
    return f"{server}:{name}"


def namespace_tag(server: str, namespace: str) -> str:
    """Return the tag on which everything in a namespace of a server depends."""
    return tag(server, f"namespace:{namespace}")


def namespace_of(*, api_user: str, api_key: str, schema_hash: str, name: str | None) -> str:
    """Return the namespace of a session on its server.

    By default two sessions share one only when API user, API key and schema are the same: what a user may see differs, a key
    may be allowed less than its user, and what an attribute means differs. `name` shares or isolates on purpose.
    """
    if name:
        return named_namespace(name)
    return _digest(["user", api_user, hashlib.sha256(api_key.encode()).hexdigest(), schema_hash])


def named_namespace(name: str) -> str:
    """Return the namespace of the sessions that share under a name."""
    return _digest(["named", name])


def _digest(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
