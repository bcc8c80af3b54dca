"""The tasks that beat sends."""

from __future__ import annotations

from celery import shared_task

from trackteroid.commits.wakeups import FLUSH_TASK, PURGE_TASK, SWEEP_TASK
from trackteroid.errors import LedgerUnavailableError, TrackteroidError
from workers.runtime import runtime

__all__ = ["flush_spool", "purge", "sweep"]


@shared_task(name=SWEEP_TASK, throws=(LedgerUnavailableError,))  # type: ignore[untyped-decorator]  # Celery has no annotations.
def sweep() -> dict[str, int]:
    """Put expired leases back and wake workers for what is due."""
    report = runtime().sweep()
    return {"reaped": report.reaped, "due": report.due, "woken": report.woken}


@shared_task(name=PURGE_TASK, throws=(LedgerUnavailableError,))  # type: ignore[untyped-decorator]  # Celery has no annotations.
def purge() -> int:
    """Remove rows of commits whose retention time is over; return how many."""
    return runtime().purge()


@shared_task(name=FLUSH_TASK, throws=(TrackteroidError,))  # type: ignore[untyped-decorator]  # Celery has no annotations.
def flush_spool() -> int:
    """Deliver what waits in the shared spool; return how many recordings were."""
    return runtime().flush_spool()
