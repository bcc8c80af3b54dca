"""Who asks: user names and API keys (specification 1.5).

A key is personal or global: a global one is good for every active user. Either may be disabled, or expire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trackteroid.sandbox.errors import InvalidCredentialsError, ValidationError
from trackteroid.sandbox.storage import TYPE, Storage, quoted
from trackteroid.sandbox.values import parse_time

__all__ = ["Caller", "KeyDescriptionError", "add_key", "authenticate", "list_keys", "put_keys", "replace_keys"]


class KeyDescriptionError(ValueError):
    """A description of API keys that makes no sense."""


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


def list_keys(storage: Storage) -> list[dict[str, Any]]:
    """All keys, in the form of `put_keys`."""
    sql = (
        'SELECT k."key", u."username", k."expires_at", k."is_enabled" FROM "__key" k'
        ' LEFT JOIN "Resource" u ON u."id" = k."user_id" ORDER BY k."key"'
    )
    with storage.lock:
        return [
            {"key": key, "user": user, "expires_at": expires_at, "is_enabled": bool(is_enabled)}
            for key, user, expires_at, is_enabled in storage.execute(sql)
        ]


def put_keys(storage: Storage, descriptions: Any) -> None:
    """Add keys, or replace what is known of them: all, or none if one of them makes no sense.

    Args:
        descriptions: A list of `{"key": text, "user": name or null for a global key, "expires_at": ISO time or null,
            "is_enabled": true or false}`; only `key` must be there.

    Raises:
        KeyDescriptionError: It is no such list, or there is no such user.
    """
    if not isinstance(descriptions, list):
        raise KeyDescriptionError("Keys must be given as a list of objects.")
    with storage.transaction():
        for each in descriptions:
            _put_key(storage, each)


def _put_key(storage: Storage, description: Any) -> None:
    if not isinstance(description, dict) or not isinstance(description.get("key"), str) or not description["key"]:
        raise KeyDescriptionError(f'A key must be an object with a text "key", not {description!r}.')
    if not description["key"].isascii() or not description["key"].isprintable():
        raise KeyDescriptionError(
            f"A key travels in HTTP headers: it can't have all the characters of {description!r}."
        )
    unknown = sorted(set(description) - {"key", "user", "expires_at", "is_enabled"})
    if unknown:
        raise KeyDescriptionError(f"A key has no {unknown[0]!r}; it may have: key, user, expires_at, is_enabled.")
    user, expires_at, is_enabled = (description.get(name) for name in ("user", "expires_at", "is_enabled"))
    user_id = None
    if user is not None:
        if not isinstance(user, str) or not user.isprintable():
            raise KeyDescriptionError(f"`user` must be the name of a user, not {user!r}.")
        found = storage.column('SELECT "id" FROM "Resource" WHERE "username" = ?', (user,))
        if not found:
            raise KeyDescriptionError(f"There is no user {user!r}.")
        user_id = found[0]
    if not isinstance(is_enabled, (bool, type(None))):
        raise KeyDescriptionError(f"`is_enabled` must be true or false, not {is_enabled!r}.")
    try:
        moment = None if expires_at is None else parse_time(str(expires_at))
    except ValidationError as error:
        raise KeyDescriptionError(f"`expires_at` must be a time: {error.content}") from None
    add_key(storage, description["key"], user_id, expires_at=moment, is_enabled=is_enabled is not False)
