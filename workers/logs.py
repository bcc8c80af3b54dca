"""Keeping the logs readable: a sweep a second is three lines a second that say nothing, and so is a traceback of nothing."""

from __future__ import annotations

import logging

from trackteroid.commits.wakeups import SWEEP_TASK

__all__ = ["WithoutEmptyTracebacks", "WithoutSweeps", "quieten"]

#: Where Celery says that it sent, received and finished a task.
LOGGERS = ("celery.beat", "celery.worker.strategy", "celery.app.trace")

#: Where `ftrack_api.Session` says what the server refused; it is named after the class.
CLIENT_LOGGER = "ftrack_api.session.Session"


class WithoutSweeps(logging.Filter):
    """Drops what Celery says about sweeps that went well; whatever a sweep did is logged by the sweep itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        return record.levelno > logging.INFO or SWEEP_TASK not in record.getMessage()


class WithoutEmptyTracebacks(logging.Filter):
    """Takes `NoneType: None` away, which the client writes below each refusal of the server."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record."""
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is None:
            record.exc_info = None
        return True


def quieten() -> None:
    """Attach the filters to the loggers of Celery and of the client."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(WithoutSweeps())
    logging.getLogger(CLIENT_LOGGER).addFilter(WithoutEmptyTracebacks())
