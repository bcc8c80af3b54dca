"""The numbers and rules that a committer follows."""

from __future__ import annotations

from dataclasses import dataclass, field

from trackteroid.commits.conflicts import ConflictPolicy
from trackteroid.commits.retrying import RetryPolicy
from trackteroid.settings import Settings

__all__ = ["CommitterPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitterPolicy:
    """Numbers for a committer; durations in seconds.

    Attributes:
        lease_seconds: How long a commit is held without a sign of life.
        request_timeout: How long a request may take, if the lease allows.
        payload_limit: Largest stored recording, compressed bytes.
        server_aliases: `alias=url` pairs of URLs that mean the same server.
        signing_keys: If there are any, only recordings signed with one of them are committed.
        version_policy: `fail` or `next`: what becomes of a wanted version number that is taken.
        conflict_policy: What becomes of values that somebody changed since they were recorded.
        retry: When to try again.
    """

    lease_seconds: float = 60.0
    request_timeout: float = 60.0
    payload_limit: int = 8 * 1024 * 1024
    server_aliases: tuple[str, ...] = ()
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    version_policy: str = "fail"
    conflict_policy: ConflictPolicy = field(default_factory=ConflictPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @classmethod
    def from_settings(cls, settings: Settings) -> CommitterPolicy:
        """Return what the environment's settings say."""
        return cls(
            lease_seconds=settings.lease_seconds,
            request_timeout=settings.request_timeout,
            payload_limit=settings.payload_limit,
            server_aliases=settings.server_aliases,
            signing_keys=settings.signing_keys,
            version_policy=settings.version_policy,
            conflict_policy=ConflictPolicy.from_words(settings.conflict_policy),
            retry=RetryPolicy(
                base=settings.retry_base_seconds,
                cap=settings.retry_cap_seconds,
                horizon=settings.horizon_seconds,
                unknown_attempts=settings.unknown_attempts,
                waiting_horizon=settings.waiting_horizon_seconds,
            ),
        )
