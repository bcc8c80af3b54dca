"""Keeping the logs readable: a sweep a second is three lines a second that say nothing."""

from __future__ import annotations

import logging

from trackteroid.commits.wakeups import SWEEP_TASK

__all__ = ["WithoutSweeps", "quieten_sweeps"]

#: Where Celery says that it sent, received and finished a task.
LOGGERS = ("celery.beat", "celery.worker.strategy", "celery.app.trace")


class WithoutSweeps(logging.Filter):
    """Drops what Celery says about sweeps that went well; whatever a sweep did is logged by the sweep itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        return record.levelno > logging.INFO or SWEEP_TASK not in record.getMessage()


def quieten_sweeps() -> None:
    """Attach the filter to Celery's loggers."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(WithoutSweeps())
