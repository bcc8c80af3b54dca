"""Servers of the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from trackteroid.embedded_redis import EmbeddedRedis


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(seed="demo") as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[EmbeddedRedis]:
    with embedded_redis() as server:
        yield server
