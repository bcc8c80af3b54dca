"""What a Redis URL means: one server, or whichever of several is the primary now, as Sentinel says.

`redis://`, `rediss://` and `unix://` are redis-py's. Sentinel's form is

    sentinel://user:password@host1:26379,host2:26379/0?master=name

User and password are those of Redis; those of the sentinels themselves are the options `sentinel_username` and
`sentinel_password`. Importing this imports no redis.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from trackteroid.errors import SettingsError

if TYPE_CHECKING:
    import redis

__all__ = [
    "SentinelAddress",
    "broker_of",
    "check_redis_url",
    "client_of",
    "reason_of",
    "sentinel_of",
    "without_password",
]

_SENTINEL_PORT = 26379
#: A sentinel that is away must not use up the time in which the next one can be asked.
_SENTINEL_SECONDS = 0.3
_OPTIONS = ("master", "sentinel_username", "sentinel_password")


@dataclass(frozen=True, kw_only=True, slots=True)
class SentinelAddress:
    """What a `sentinel://` URL says.

    Attributes:
        hosts: Host and port of each sentinel.
        master: The name under which they watch the primary.
        database: Number.
        username, password: Of Redis; None: none is needed.
        sentinel_username, sentinel_password: Of the sentinels.
    """

    hosts: tuple[tuple[str, int], ...]
    master: str
    database: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None

    @property
    def public(self) -> str:
        """The URL without anything secret, in one spelling."""
        hosts = ",".join(f"{_bracketed(host)}:{port}" for host, port in sorted(self.hosts))
        return f"sentinel://{hosts}/{self.database}?master={quote(self.master, safe='')}"


def sentinel_of(url: str) -> SentinelAddress | None:
    """Return what a `sentinel://` URL says, None for any other.

    Raises:
        ValueError: It cannot be used; says why.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() != "sentinel":
        return None
    login, _, places = parts.netloc.rpartition("@")
    username, separator, password = login.partition(":")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(options.keys() - set(_OPTIONS))
    if unknown:
        raise ValueError(f"knows the options {', '.join(_OPTIONS)}, not {', '.join(unknown)}")
    if not options.get("master"):
        raise ValueError("must name the primary, as in sentinel://host1:26379,host2:26379/0?master=ledger")
    database = parts.path.strip("/") or "0"
    if not database.isdecimal():
        raise ValueError(f"must have the number of a database after the hosts, not {database!r}")
    return SentinelAddress(
        hosts=tuple(_host(place) for place in places.split(",")),
        master=options["master"],
        database=int(database),
        username=unquote(username) or None,
        password=unquote(password) if separator and password else None,
        sentinel_username=options.get("sentinel_username") or None,
        sentinel_password=options.get("sentinel_password") or None,
    )


def check_redis_url(url: str) -> str:
    """Return `url`.

    Raises:
        ValueError: It is no Redis URL; says what it must be.
    """
    parts = urlsplit(url)
    if parts.scheme == "sentinel":
        sentinel_of(url)
        return url
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("must start with redis://, rediss://, unix:// or sentinel://")
    if parts.scheme != "unix" and (not parts.hostname or parts.port == 0):
        raise ValueError("must name a host, as in redis://host:6379/0")
    return url


def without_password(url: str) -> str:
    """Return a Redis URL fit for logs and messages."""
    parts = urlsplit(url)
    if parts.scheme.lower() == "sentinel":
        try:
            address = sentinel_of(url)
        except ValueError:
            address = None
        # What cannot be read may have a secret anywhere.
        return "sentinel://" if address is None else address.public
    if parts.password is None and parts.username is None:
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def client_of(url: str, *, timeout: float) -> redis.Redis:
    """Return a client for `url`, without redis-py's ten retries; connects on first use.

    Args:
        url: Where; with Sentinel each new connection asks for the primary.
        timeout: Seconds that connecting may take, and again each command.

    Raises:
        SettingsError: `url` is no Redis URL.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    options: dict[str, Any] = {
        "socket_connect_timeout": timeout,
        "socket_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        # RESP2: no HELLO round trip on connecting, which counts in a process that enqueues one file.
        "protocol": 2,
        "health_check_interval": 0,
    }
    try:
        address = sentinel_of(url)
        if address is None:
            return redis.Redis.from_url(url, **options)
    except ValueError as error:
        raise SettingsError(f"{without_password(url)!r} is not a Redis URL: {error}.") from error
    from redis.sentinel import Sentinel

    seconds = min(timeout, _SENTINEL_SECONDS)
    # redis-py has no annotations here.
    sentinels: Any = cast(Any, Sentinel)(
        address.hosts,
        sentinel_kwargs={
            **options,
            "socket_connect_timeout": seconds,
            "socket_timeout": seconds,
            **_login(address.sentinel_username, address.sentinel_password),
        },
    )
    login = _login(address.username, address.password)
    client: redis.Redis = sentinels.master_for(
        address.master, db=address.database, connection_class=_managed_connection(), **login, **options
    )
    return client


@functools.cache
def _managed_connection() -> type:
    """Return the class of connections through Sentinel: as redis-py's, but closed where an answer was not read to its end.

    Theirs, unlike its other connections, stays open when its reader is interrupted (by Ctrl+C, by a time limit of Celery's), and
    whoever has it next would be told what the one before had asked for.
    """
    from redis.sentinel import SentinelManagedConnection

    class ManagedConnection(SentinelManagedConnection):
        def read_response(self, *args: Any, disconnect_on_error: bool | None = True, **options: Any) -> Any:
            # redis-py has no annotations here.
            read: Any = super().read_response
            return read(*args, disconnect_on_error=disconnect_on_error, **options)

    return ManagedConnection


def reason_of(error: BaseException) -> str:
    """Return what an error of redis-py's says: of one that names all sentinels with all of their options, the beginning."""
    return str(error).partition(" : <")[0]


def broker_of(url: str) -> tuple[str, Mapping[str, Any]]:
    """Return how Celery writes a Redis URL: its broker URL, and what it wants as transport options besides.

    Imports redis where there is Sentinel.

    Raises:
        SettingsError: `url` cannot be used.
    """
    try:
        address = sentinel_of(url)
    except ValueError as error:
        raise SettingsError(f"{without_password(url)!r} is not a Redis URL: {error}.") from error
    if address is None:
        return url, {}
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    login = ""
    if address.username or address.password:
        login = f"{quote(address.username or '', safe='')}:{quote(address.password or '', safe='')}@"
    urls = (f"sentinel://{login}{_bracketed(host)}:{port}/{address.database}" for host, port in address.hosts)
    options: dict[str, Any] = {
        "master_name": address.master,
        "sentinel_kwargs": {
            "socket_connect_timeout": _SENTINEL_SECONDS,
            "socket_timeout": _SENTINEL_SECONDS,
            # Otherwise each sentinel that is away is tried for eight seconds before the next one is asked.
            "retry": Retry(NoBackoff(), 0),
            **_login(address.sentinel_username, address.sentinel_password),
        },
    }
    return ";".join(urls), options


def _login(username: str | None, password: str | None) -> dict[str, str]:
    return {name: text for name, text in (("username", username), ("password", password)) if text is not None}


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port or _SENTINEL_PORT
    except ValueError:
        raise ValueError(f"has {text!r} where a sentinel's host and port belong") from None
    if not parts.hostname:
        raise ValueError("must name the sentinels, as in sentinel://host1:26379,host2:26379/0?master=ledger")
    return parts.hostname, port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
