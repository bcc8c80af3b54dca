"""Settings from the environment, read in one place.

Scope: one process. Nothing is read at import; `Settings.from_environment()` reads, checks and freezes. Every variable
is listed
in the README's table (a test compares both).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any
from urllib.parse import urlsplit

from trackteroid.errors import SettingsError
from trackteroid.path_roots import PathRoots
from trackteroid.redis_urls import check_redis_url

__all__ = ["Settings", "variables"]


def _positive(text: str) -> float:
    value = float(text)
    if not (0 < value < math.inf):
        raise ValueError("must be a number greater than zero")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError("must be a whole number greater than zero")
    return value


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL such as https://chat.example/hooks/7")
    return text


def _folder(text: str) -> str:
    if not os.path.isabs(text):
        raise ValueError("must be an absolute path: another one is another folder in each working directory")
    return text


def _flag(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("must be one of 1, 0, true, false, yes, no, on, off")


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        lowered = text.strip().lower()
        if lowered not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return lowered

    return parse


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def _pairs(form: str, *choices: str) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        words = _words(text)
        for word in words:
            name, _, value = (part.strip() for part in word.partition("="))
            if not name or not value or (choices and value not in choices):
                one_of = f", with one of {', '.join(choices)}" if choices else ""
                raise ValueError(f"each entry must read {form}{one_of}; {word!r} does not")
        return words

    return parse


def _secrets(text: str) -> tuple[str, ...]:
    words = _words(text)
    if any(len(word) < _SHORTEST_SECRET for word in words):
        raise ValueError(f"each key must have {_SHORTEST_SECRET} characters or more")
    return words


# Less can be guessed.
_SHORTEST_SECRET = 16


def _variable(name: str, default: Any, parse: Callable[[str], Any], description: str, *, secret: bool = False) -> Any:
    metadata = {"variable": name, "parse": parse, "description": description, "secret": secret}
    return dataclass_field(default=default, metadata=metadata, repr=not secret)


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@]*@|(?<=password=)[^&]*", lambda found: "//" if found[0].startswith("//") else "***", text)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says, checked. Durations are seconds, sizes are bytes.

    The names of the variables and what they mean are in each field's metadata; `variables()` lists them.
    """

    redis_url: str = _variable(
        "TRACKTEROID_REDIS_URL",
        "redis://127.0.0.1:6379/0",
        check_redis_url,
        "Redis of the commit ledger and the Celery broker; with Sentinel `sentinel://host:26379,host2:26379/0?master=name`.",
    )
    query_cache_url: str | None = _variable(
        "TRACKTEROID_QUERY_CACHE_URL",
        None,
        check_redis_url,
        "Redis of the shared query cache; the ledger's if not set.",
    )
    server_aliases: tuple[str, ...] = _variable(
        "TRACKTEROID_SERVER_ALIASES",
        (),
        _pairs("alias=url"),
        "Comma-separated `alias=url` pairs of ftrack server URLs that mean the same server.",
    )
    lease_seconds: float = _variable(
        "TRACKTEROID_LEASE_SECONDS",
        60.0,
        _positive,
        "How long a worker may hold a commit without a sign of life.",
    )
    horizon_seconds: float = _variable(
        "TRACKTEROID_HORIZON_SECONDS", 72 * 3600.0, _positive, "How long transient failures are retried."
    )
    retry_base_seconds: float = _variable(
        "TRACKTEROID_RETRY_BASE_SECONDS", 5.0, _positive, "First delay of the exponential backoff."
    )
    retry_cap_seconds: float = _variable(
        "TRACKTEROID_RETRY_CAP_SECONDS", 3600.0, _positive, "Longest delay of the exponential backoff."
    )
    waiting_horizon_seconds: float = _variable(
        "TRACKTEROID_WAITING_HORIZON_SECONDS",
        24 * 3600.0,
        _positive,
        "How long a commit waits for something missing that no known recording creates.",
    )
    concurrency: int = _variable(
        "TRACKTEROID_CONCURRENCY", 16, _count, "Commits that are sent to one ftrack server at a time, over all workers."
    )
    probe_seconds: float = _variable(
        "TRACKTEROID_PROBE_SECONDS",
        15.0,
        _positive,
        "While the trouble is around us, one commit is tried in so many seconds.",
    )
    breaker_streak: int = _variable(
        "TRACKTEROID_BREAKER_STREAK",
        10,
        _count,
        "So many commits in a row with the same error count as trouble around us.",
    )
    conflict_policy: tuple[str, ...] = _variable(
        "TRACKTEROID_CONFLICT_POLICY",
        ("status=skip",),
        _pairs("attribute=choice", "overwrite", "skip", "fail"),
        "Comma-separated `attribute=choice` or `Type.attribute=choice`: what becomes of a value that somebody changed since it "
        "was recorded: `overwrite` (all others), `skip` or `fail`.",
    )
    version_policy: str = _variable(
        "TRACKTEROID_VERSION_POLICY",
        "fail",
        _one_of("fail", "next"),
        "What becomes of a version whose wanted number is taken when it is committed: `fail` or `next`.",
    )
    max_claims: int = _variable(
        "TRACKTEROID_MAX_CLAIMS",
        5,
        _count,
        "Claims without a verdict that a commit may have; one with more is put aside as poison.",
    )
    unknown_attempts: int = _variable(
        "TRACKTEROID_UNKNOWN_ATTEMPTS",
        5,
        _count,
        "Attempts at an error that nobody has listed before it counts as permanent.",
    )
    sweep_seconds: float = _variable(
        "TRACKTEROID_SWEEP_SECONDS",
        1.0,
        _positive,
        "Time between two sweeps for due commits and expired leases.",
    )
    request_timeout: float = _variable(
        "TRACKTEROID_REQUEST_TIMEOUT", 60.0, _positive, "How long a request to ftrack may take."
    )
    retention_seconds: float = _variable(
        "TRACKTEROID_RETENTION_SECONDS",
        14 * 86400.0,
        _positive,
        "How long the row of a committed recording is kept.",
    )
    tombstone_seconds: float = _variable(
        "TRACKTEROID_TOMBSTONE_SECONDS",
        400 * 86400.0,
        _positive,
        "How long it is remembered that a recording was committed.",
    )
    payload_limit: int = _variable(
        "TRACKTEROID_PAYLOAD_LIMIT", 8 * 1024 * 1024, _count, "Largest recording that is taken, compressed."
    )
    signing_keys: tuple[str, ...] = _variable(
        "TRACKTEROID_SIGNING_KEY",
        (),
        _secrets,
        "Secret with which clients sign recordings; workers that have it refuse the rest. Several, by commas: the first signs.",
        secret=True,
    )
    spool_folder: str | None = _variable(
        "TRACKTEROID_SPOOL",
        None,
        _folder,
        "Folder in which recordings wait while Redis cannot take them; may be shared. Default: per user.",
    )
    spool_size_limit: int = _variable(
        "TRACKTEROID_SPOOL_SIZE_LIMIT", 1024**3, _count, "Bytes that may wait in the spool."
    )
    spool_count_limit: int = _variable(
        "TRACKTEROID_SPOOL_COUNT_LIMIT", 10_000, _count, "Recordings that may wait in the spool."
    )
    spool_keep_seconds: float = _variable(
        "TRACKTEROID_SPOOL_KEEP_SECONDS",
        86400.0,
        _positive,
        "How long the spool keeps copies of what it has delivered.",
    )
    path_roots: PathRoots = _variable(  # noqa: RUF009 - frozen all the way down
        "TRACKTEROID_PATH_ROOTS",
        PathRoots(),
        PathRoots.parse,
        "Equal folders on each platform: `linux=/mnt/shows,windows=P:\\shows,darwin=/Volumes/shows`; several sets by semicolons.",
    )
    overdue_seconds: float = _variable(
        "TRACKTEROID_OVERDUE_SECONDS",
        7 * 86400.0,
        _positive,
        "How long a commit may be held before it is reported as overdue.",
    )
    webhook_url: str | None = _variable(
        "TRACKTEROID_WEBHOOK_URL",
        None,
        _http_url,
        "Where messages about dead and overdue commits and the breaker are posted as JSON.",
        secret=True,
    )
    digest_seconds: float = _variable(
        "TRACKTEROID_DIGEST_SECONDS",
        300.0,
        _positive,
        "Somebody is told of the same cause once in so many seconds.",
    )
    commit_as: str = _variable(
        "TRACKTEROID_COMMIT_AS",
        "worker",
        _one_of("worker", "recorder"),
        "Whose name ftrack's history gives for a commit: `worker`, or `recorder` (needs workers with a global key).",
    )
    stamp: bool = _variable(
        "TRACKTEROID_STAMP",
        True,
        _flag,
        "Whether what is published names the recording user and the time of its release instead of the worker and its time.",
    )
    worker_slots: int = _variable(
        "TRACKTEROID_WORKER_SLOTS",
        4,
        _count,
        "Worker processes over all machines; wake-ups waiting are kept below 4 x this.",
    )
    worker_sweep: bool = _variable(
        "TRACKTEROID_WORKER_SWEEP",
        True,
        _flag,
        "Whether each worker's main process sweeps too, besides beat.",
    )
    cache_ttl_seconds: float = _variable(
        "TRACKTEROID_CACHE_TTL_SECONDS", 3600.0, _positive, "How long a shared query result is kept."
    )
    cache_timeout: float = _variable(
        "TRACKTEROID_CACHE_TIMEOUT", 0.05, _positive, "How long a look-up in the shared cache may take."
    )
    cache_wait_seconds: float = _variable(
        "TRACKTEROID_CACHE_WAIT_SECONDS",
        20.0,
        _positive,
        "How long a query waits for another process that asks ftrack the same.",
    )
    cache_entry_limit: int = _variable(
        "TRACKTEROID_CACHE_ENTRY_LIMIT",
        16 * 1024 * 1024,
        _count,
        "Largest shared query result, uncompressed.",
    )

    cache_listener: bool = _variable(
        "TRACKTEROID_CACHE_LISTENER",
        False,
        _flag,
        "Whether each worker's main process listens to ftrack's events, so that cached results follow what anybody changes.",
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return the settings that `environ` (default: the process's) describes.

        Raises:
            SettingsError: A variable's value cannot be used; names the variable and the reason.
        """
        source = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for item in fields(cls):
            variable = item.metadata["variable"]
            text = source.get(variable)
            if text is None or text == "":
                continue
            try:
                values[item.name] = item.metadata["parse"](text)
            except ValueError as error:
                shown = "(not shown)" if item.metadata["secret"] else _without_password(text)
                raise SettingsError(f"{variable}={shown!r} cannot be used: {error}.") from error
        return cls(**values)

    @property
    def effective_query_cache_url(self) -> str:
        """The shared query cache's Redis: its own, or the ledger's."""
        return self.query_cache_url or self.redis_url


def variables() -> tuple[tuple[str, object, str], ...]:
    """Return (variable, default, description) of every setting, in the order of the class."""
    return tuple((item.metadata["variable"], item.default, item.metadata["description"]) for item in fields(Settings))
