"""Who shares cached results with whom."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import urlsplit

__all__ = ["namespace_of", "server_key"]


def server_key(server_url: str) -> str:
    """Return a short digest of a server URL; spellings of one URL (case of the host, trailing slash) give one digest."""
    parts = urlsplit(server_url if "//" in server_url else f"//{server_url}")
    host = f"{(parts.hostname or '').lower()}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme, 0)}"
    return hashlib.sha256(f"{host}{parts.path.rstrip('/')}".encode()).hexdigest()[:16]


def namespace_of(*, api_user: str, schema_hash: str, name: str | None) -> str:
    """Return the namespace of a session on its server.

    By default two sessions share one only when API user and schema are the same, because what a user may see, and what
    an attribute means, differs; `name` shares or isolates on purpose.
    """
    parts = ["named", name] if name else ["user", api_user, schema_hash]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
