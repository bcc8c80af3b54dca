"""The task behind a wake-up."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from trackteroid.commits.wakeups import COMMIT_TASK
from trackteroid.errors import LedgerUnavailableError
from workers.runtime import runtime

__all__ = ["commit_due"]


# `throws`: an absent Redis is an event, not a mistake of ours that needs a traceback in the log.
@shared_task(name=COMMIT_TASK, throws=(LedgerUnavailableError,))  # type: ignore[untyped-decorator]  # Celery has no annotations.
def commit_due() -> list[dict[str, Any]]:
    """Commit what is due; return id and state of each commit that was tried, for the worker's log."""
    return [{"id": outcome.commit_id, "state": outcome.state.value} for outcome in runtime().commit_due()]
