from __future__ import annotations

import pytest

from tests.support.sandbox import SandboxProcess
from trackteroid.embedded_redis import EmbeddedRedis


@pytest.fixture
def cached_environment(sandbox: SandboxProcess, redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `Session()` finds: the server, and its cache."""
    for name, value in {**sandbox.env, "TRACKTEROID_REDIS_URL": redis.url}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def default_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """As users have it; the other tests give Redis more time, as they run on a machine that may be busy."""
    monkeypatch.delenv("TRACKTEROID_CACHE_TIMEOUT")
