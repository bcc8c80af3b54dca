"""Who asks: user names and API keys (specification 1.5).

A key is personal or global: a global one is good for every active user. Either may be disabled, or expire.
"""

from __future__ import annotations

from dataclasses import dataclass

from trackteroid.sandbox.errors import InvalidCredentialsError
from trackteroid.sandbox.storage import TYPE, Storage, quoted

__all__ = ["Caller", "add_key", "authenticate", "replace_keys"]


@dataclass(frozen=True, kw_only=True)
class Caller:
    """An authenticated user."""

    user_id: str
    username: str
    api_key: str


def authenticate(storage: Storage, username: str | None, api_key: str | None) -> Caller:
    """Check a user name with a personal or a global key.

    Raises:
        InvalidCredentialsError: Missing, unknown, not active, or a key that is wrong, disabled or expired.
    """
    if username and api_key:
        user = storage.execute(
            f'SELECT "id", "username" FROM "Resource" WHERE {quoted(TYPE)} = \'User\' AND "is_active" = 1'
            ' AND "username" = ?',
            (username,),
        ).fetchone()
        if user is not None:
            if storage.execute(_GOOD_KEY, (api_key, user[0])).fetchone() is not None:
                return Caller(user_id=user[0], username=user[1], api_key=api_key)
    raise InvalidCredentialsError("The supplied API key or user name is not valid.")


_GOOD_KEY = """
SELECT 1 FROM "__key" WHERE "key" = ? AND ("user_id" IS NULL OR "user_id" = ?)
AND "is_enabled" AND ("expires_at" IS NULL OR "expires_at" > sandbox_now())
"""


def add_key(
    storage: Storage, api_key: str, user_id: str | None, *, expires_at: str | None = None, is_enabled: bool = True
) -> None:
    """Add a key, or replace what is known of it.

    Args:
        user_id: Whose it is; None for a global key.
        expires_at: From when on it is refused, in the stored form of times (UTC); never if not given.
        is_enabled: Whether it is good at all.
    """
    sql = 'INSERT OR REPLACE INTO "__key" ("key", "user_id", "expires_at", "is_enabled") VALUES (?, ?, ?, ?)'
    storage.execute(sql, (api_key, user_id, expires_at, int(is_enabled)))


def replace_keys(storage: Storage, api_key: str, user_id: str) -> None:
    """Make `api_key` the user's only personal key."""
    storage.execute('DELETE FROM "__key" WHERE "user_id" = ?', (user_id,))
    add_key(storage, api_key, user_id)
