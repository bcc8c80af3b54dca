"""Real Celery processes for tests, as a user starts them, with short times."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tests.support.processes import ManagedProcess, wait_until

__all__ = ["SHORT_TIMES", "beat_process", "service_environment", "worker_process"]

#: A commit is retried within a second, a dead worker's commit taken over after two.
SHORT_TIMES: Mapping[str, str] = {
    "TRACKTEROID_LEASE_SECONDS": "2",
    "TRACKTEROID_REQUEST_TIMEOUT": "5",
    "TRACKTEROID_RETRY_BASE_SECONDS": "0.2",
    "TRACKTEROID_RETRY_CAP_SECONDS": "1",
    "TRACKTEROID_SWEEP_SECONDS": "0.2",
    "TRACKTEROID_PROBE_SECONDS": "0.5",
    "TRACKTEROID_WORKER_SLOTS": "2",
}


def service_environment(
    redis_url: str, ftrack: Mapping[str, str], extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the variables of a service process: which Redis, which ftrack, short times."""
    return {**SHORT_TIMES, **ftrack, "TRACKTEROID_REDIS_URL": redis_url, **(extra or {})}


def worker_process(
    redis_url: str,
    ftrack: Mapping[str, str],
    *,
    concurrency: int = 1,
    env: Mapping[str, str] | None = None,
    wait: bool = True,
) -> ManagedProcess:
    """Start `celery -A workers worker`; ready to work when this returns. Stop it, or use it as a context manager."""
    process = ManagedProcess(
        # Gossip and mingle only cost a second at the start.
        [*_celery(), "worker", "-c", str(concurrency), "-l", "INFO", "--without-gossip", "--without-mingle"],
        env=service_environment(redis_url, ftrack, env),
        name="worker",
    )
    return _started(process, " ready.") if wait else process


def beat_process(redis_url: str, ftrack: Mapping[str, str], *, env: Mapping[str, str] | None = None) -> ManagedProcess:
    """Start `celery -A workers beat`."""
    process = ManagedProcess(
        [*_celery(), "beat", "-l", "INFO"], env=service_environment(redis_url, ftrack, env), name="beat"
    )
    return _started(process, "beat: Starting")


def _celery() -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "workers"]


def _started(process: ManagedProcess, sign: str) -> ManagedProcess:
    try:
        wait_until(lambda: sign in process.output or not process.running, seconds=30, what=f"the {process.name}")
        assert process.running, f"The {process.name} ended:\n{process.output}"
    except BaseException:
        process.stop()
        raise
    return process
