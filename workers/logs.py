"""Keeping the logs readable: a sweep a second is three lines a second that say nothing, and so is a traceback of nothing.

Nor does a screen of Celery's and kombu's insides help whoever wants to know why nothing is committed: where Redis is down or
full, one line says so.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from celery import signals
from celery.exceptions import CPendingDeprecationWarning
from redis.exceptions import RedisError

from trackteroid.commits.wakeups import SWEEP_TASK

__all__ = [
    "WithoutBrokerTracebacks",
    "WithoutEmptyTracebacks",
    "WithoutPlans",
    "WithoutSweeps",
    "quieten",
    "quieten_handlers",
]

#: Where Celery says that it sent, received and finished a task.
LOGGERS = ("celery.beat", "celery.worker.strategy", "celery.app.trace")

#: Where `ftrack_api.Session` says what the server refused; it is named after the class.
CLIENT_LOGGER = "ftrack_api.session.Session"

#: Whose tracebacks about Redis are left out: nobody can do anything about these libraries.
BROKER_LOGGERS = ("celery", "kombu")

#: The same trouble is said once in so many seconds; kombu's timers meet it every ten.
REPEAT_SECONDS = 60.0


# With Sentinel redis-py names all that it has asked, each with all of its options.
_CLIENTS = re.compile(r" : <redis\..*>(?= - )")


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


class WithoutPlans(logging.Filter):
    """Drops what Celery's next release will do unless a setting says otherwise, told with each lost connection; ours says so.

    Not by a filter of `warnings`: Celery sets its own when a worker starts.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        return CPendingDeprecationWarning.__name__ not in record.getMessage()


class WithoutBrokerTracebacks(logging.Filter):
    """Makes one line of what Celery and kombu log with a traceback because Redis is down, full or refuses them.

    Args:
        monotonic: Clock.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept: the same line is not, for a minute."""
        if getattr(record, "repeated", False):
            # Another handler's filter has seen it.
            return False
        if record.name.partition(".")[0] not in BROKER_LOGGERS:
            return True
        if " : <redis." in (text := record.getMessage()):
            record.msg, record.args = _CLIENTS.sub("", text), None
        if not isinstance(record.exc_info, tuple):
            return True
        cause = next((error for error in _chain(record.exc_info[1]) if isinstance(error, RedisError)), None)
        if cause is None:
            return True
        text = f"{record.getMessage()} ({type(cause).__name__}: {cause}) `trackteroid doctor` says what to do."
        record.msg, record.args = " ".join(text.split()), None
        record.exc_info = record.exc_text = None
        now = self._monotonic()
        if now < self._said.get(record.msg, now):
            record.__dict__["repeated"] = True
            return False
        # Texts differ by ports and counts, so this stays small only if it is emptied.
        self._said = {said: until for said, until in self._said.items() if until > now}
        self._said[record.msg] = now + REPEAT_SECONDS
        return True


def quieten() -> None:
    """Attach the filters to the loggers of Celery and of the client, and to whatever handlers Celery makes."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(WithoutSweeps())
    logging.getLogger(CLIENT_LOGGER).addFilter(WithoutEmptyTracebacks())
    signals.after_setup_logger.connect(quieten_handlers, weak=False)
    logging.getLogger("py.warnings").addFilter(WithoutPlans())


def quieten_handlers(logger: logging.Logger, **_: Any) -> None:
    """Let a logger's handlers say what is wrong with Redis in one line each.

    Args:
        logger: One that Celery has just given its handlers.
    """
    # Of the handlers, as a logger's filters do not see what the loggers below it say.
    for handler in logger.handlers:
        handler.addFilter(WithoutBrokerTracebacks())


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
