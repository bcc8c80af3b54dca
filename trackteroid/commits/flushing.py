"""Delivering what waits in a spool. Any number of processes may do it at once: the ledger knows what it has."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any

from trackteroid.commits.addresses import normal_address
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.payload import decompress
from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.signing import unseal
from trackteroid.commits.spool import Entry, Spool, SpooledRecording
from trackteroid.commits.submission import submit
from trackteroid.errors import (
    BadInputError,
    LedgerDataError,
    LedgerError,
    LedgerUnavailableError,
    RecordingError,
    SettingsError,
    SpoolDataError,
    UnknownCommitError,
)
from trackteroid.operations.recording import Recording

__all__ = ["FlushReport", "flush"]

logger = logging.getLogger(__name__)

_SAID_SECONDS = 600.0
# What was said last, and when (monotonic).
_said = ("", 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class FlushReport:
    """What flushing a spool did.

    Attributes:
        delivered: Recordings that the ledger has accepted, and orders to release one that it has carried out.
        known: Recordings that the ledger had accepted before.
        refused: Recordings that can never be delivered; they are in the spool's folder `refused`.
        elsewhere: Recordings left because they were meant for another Redis.
        left: Recordings left because time was up, or for `error`.
        error: Why it stopped early; None if it did not.
    """

    delivered: int = 0
    known: int = 0
    refused: int = 0
    elsewhere: int = 0
    left: int = 0
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)


def flush(
    spool: Spool,
    open_ledger: Callable[[str], Ledger],
    *,
    redis_url: str | None,
    payload_limit: int,
    also_at: Callable[[str], Collection[str]] = lambda server_url: (),
    seconds: float | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    on_entry: Callable[[int, int], None] | None = None,
) -> FlushReport:
    """Hand what waits in a spool to the ledgers, in the order in which it was accepted, and remove old copies.

    Args:
        spool: Which.
        open_ledger: Returns the ledger of a server's URL.
        redis_url: Only what was meant for this Redis (its `normal_address`) is sent; None: everything. A node may work for a
            production and a staging Redis, and a recording that lands in the wrong one is never committed.
        payload_limit: Largest recording, as stored.
        also_at: Returns the other addresses of this Redis, given a server's URL; asked once, and only where it matters.
        seconds: For how long new deliveries are begun.
        monotonic: Clock for that.
        on_entry: Told, before each delivery, how many are behind and how many there are.

    Raises:
        SpoolError: The spool cannot be read.
    """
    entries = spool.waiting()
    work = _Flush(spool, open_ledger, redis_url, payload_limit, also_at)
    deadline = None if seconds is None else monotonic() + seconds
    for number, entry in enumerate(entries):
        if on_entry is not None:
            on_entry(number, len(entries))
        if work.error is not None or (deadline is not None and monotonic() >= deadline):
            work.counts["left"] += len(entries) - number
            break
        work.deliver(entry)
    if entries or spool.has_old_copies:
        spool.tidy()
    work.say_what_is_left()
    return FlushReport(**work.counts, error=work.error)


class _Flush:
    def __init__(
        self,
        spool: Spool,
        open_ledger: Callable[[str], Ledger],
        redis_url: str | None,
        payload_limit: int,
        also_at: Callable[[str], Collection[str]],
    ) -> None:
        self._spool = spool
        self._open_ledger = open_ledger
        self._redis_url = None if redis_url is None else normal_address(redis_url)
        self._payload_limit = payload_limit
        self._also_at = also_at
        self._others: Collection[str] | None = None
        self._elsewhere: Counter[str] = Counter()
        self._ledgers: dict[str, Ledger] = {}
        self.counts = {"delivered": 0, "known": 0, "refused": 0, "elsewhere": 0, "left": 0}
        self.error: str | None = None

    def deliver(self, entry: Entry) -> None:
        try:
            outcome = self._delivered_or_refused(entry)
        except FileNotFoundError:
            # Somebody else flushes too.
            return
        except SettingsError:
            raise
        except LedgerUnavailableError as error:
            self.error = str(error)
            outcome = "left"
        except Exception as error:
            # This one's trouble, whatever it is: neither the others wait for it, nor who enqueues next on this node.
            logger.warning(
                "A spooled recording was not delivered now: %s: %s: %s", entry.path.name, type(error).__name__, error
            )
            outcome = "left"
        self.counts[outcome] += 1

    def _delivered_or_refused(self, entry: Entry) -> str:
        try:
            return self._try(entry)
        except (SpoolDataError, RecordingError, LedgerDataError, BadInputError) as error:
            if not self._spool.refuse(entry, str(error)):
                return "left"
            logger.error("A spooled recording can never be delivered: %s: %s", entry.path.name, error)
            return "refused"

    def _try(self, entry: Entry) -> str:
        item = self._spool.read(entry)
        if not self._is_meant_for_us(item):
            self._elsewhere[normal_address(item.redis_url)] += 1
            return "elsewhere"
        if item.kind == "release":
            return self._release(entry, item)
        # Whether it is signed, and well, is for the worker to judge.
        payload, _ = unseal(item.payload)
        recording = Recording.from_payload(decompress(payload, limit=self._payload_limit))
        _check(item, recording)
        ledger = self._ledger(item.server_url)
        accepted = submit(ledger, recording, item.payload, terms=item.terms)
        self._spool.mark_sent(entry)
        return "known" if accepted.known else "delivered"

    def say_what_is_left(self) -> None:
        """Log what was meant for another Redis; the same at most once in ten minutes."""
        global _said
        if not self._elsewhere:
            return
        told = ", ".join(f"{count} for {address}" for address, count in sorted(self._elsewhere.items()))
        now = time.monotonic()
        if _said[0] == told and now - _said[1] < _SAID_SECONDS:
            return
        _said = (told, now)
        logger.warning(
            "Recordings wait in the spool %s that were meant for another Redis than %s: %s. Whoever uses that one delivers "
            "them; if it has moved here, `trackteroid spool flush --any-redis` does.",
            self._spool.folder,
            self._redis_url,
            told,
            extra={"action": "spooled_elsewhere"},
        )

    def _is_meant_for_us(self, item: SpooledRecording) -> bool:
        if self._redis_url is None:
            return True
        address = normal_address(item.redis_url)
        if address == self._redis_url:
            return True
        if self._others is None:
            self._others = self._also_at(item.server_url)
        return address in self._others

    def _release(self, entry: Entry, item: SpooledRecording) -> str:
        facts = ReleaseFacts.from_json(item.payload.decode("utf-8", "replace"))
        try:
            self._ledger(item.server_url).release(item.commit_id, actor=item.terms.actor, facts=facts)
        except (LedgerUnavailableError, UnknownCommitError):
            # Unknown: its recording waits in another node's spool.
            raise
        except LedgerDataError:
            raise
        except LedgerError as error:
            # It is dead or cancelled, and stays that way.
            raise SpoolDataError(str(error)) from error
        self._spool.mark_sent(entry)
        return "delivered"

    def _ledger(self, server_url: str) -> Ledger:
        ledger = self._ledgers.get(server_url)
        if ledger is None:
            ledger = self._ledgers[server_url] = self._open_ledger(server_url)
        return ledger


def _check(item: SpooledRecording, recording: Recording) -> None:
    if (recording.recording_id, recording.digest) != (item.commit_id, item.digest):
        raise SpoolDataError("Its header speaks of another recording.")
