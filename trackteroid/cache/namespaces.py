"""Who shares cached results with whom."""

from __future__ import annotations

import hashlib
import json

__all__ = ["namespace_of", "server_key"]


def server_key(server_url: str) -> str:
    """Return a short digest of a server's normalised URL (`normalise_server_url`), under which its results are kept."""
    return hashlib.sha256(server_url.encode()).hexdigest()[:16]


def namespace_of(*, api_user: str, schema_hash: str, name: str | None) -> str:
    """Return the namespace of a session on its server.

    By default two sessions share one only when API user and schema are the same, because what a user may see, and what
    an attribute means, differs; `name` shares or isolates on purpose.
    """
    parts = ["named", name] if name else ["user", api_user, schema_hash]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
