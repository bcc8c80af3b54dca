"""The query-result cache that sessions share (level 2): answers of the server, valid while their tags' stamps hold.

Scope: all processes that use the same Redis. Redis being away, slow or full of something else never breaks a query: the
server is asked, and one warning a minute says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from trackteroid.cache.availability import UNAVAILABLE, Unavailable
from trackteroid.cache.backends import Alone, Busy, Entry, Found, Lead, Look, Outcome
from trackteroid.cache.connection import CacheConnection
from trackteroid.cache.namespaces import namespace_tag, tag
from trackteroid.cache.payload import pack, unpack
from trackteroid.cache.statistics import CacheStatistics
from trackteroid.cache.storage import decides_access

__all__ = ["Answer", "QueryCache", "Receipt", "TagIndex"]

# A table marked open by somebody who died is storable again after this long; longer than any request may take.
_OPEN_SECONDS = 120.0

# Which tags a question has does not hang on the page.
_PAGING = re.compile(r"( offset \d+)?( limit \d+)?$")

_Value = TypeVar("_Value")


class TagIndex(Protocol):
    """Which tags questions depend on and batches raise."""

    def read(self, expression: str) -> frozenset[str] | None:
        """Return the tags of a question, None if its answer must not be kept."""

    def written(self, batch: Sequence[Mapping[str, Any]]) -> frozenset[str]:
        """Return the tags that a batch raises."""


@dataclass(frozen=True)
class Answer(Generic[_Value]):
    """What ftrack answered: as the asker uses it, and as the text of the response, None if that is not known."""

    value: _Value
    text: str | None


@dataclass(frozen=True)
class Receipt:
    """What an answer hangs on: the stamps of its tags, and when ftrack was asked (this process's monotonic clock)."""

    stamps: Mapping[str, str]
    asked_at: float


class QueryCache:
    """One session's view of the shared cache.

    Args:
        connection: To where entries and stamps are; may not even be reachable.
        server: Key of the ftrack server (see `server_key`).
        namespace: Who shares with whom.
        tags: The tags of the server's questions.
        ttl: Seconds an entry is kept by default.
        entry_limit: Bytes of the largest answer that is stored, before compression.
        expected: Whether somebody said that there is a Redis; if not, its absence is worth no warning until results are
            to be shared.
        monotonic: Clock for the age of answers.

    Attributes:
        statistics: What this session got out of the cache.
        tags: The tags of the server's questions and of what is sent to it.
        on_debt: Called, before the commit is reported, when its invalidation could not be told, to keep that somewhere safer
            than in this object; what it raises is raised.
    """

    def __init__(
        self,
        connection: CacheConnection,
        *,
        server: str,
        namespace: str,
        tags: TagIndex,
        ttl: float,
        entry_limit: int,
        expected: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.statistics = CacheStatistics()
        self.namespace = namespace
        self.connection = connection
        self._server = server
        # What every answer depends on even where staleness is welcome: who may see what, and that nobody said "forget it".
        # So it does on where the rows hang that it shows.
        self._hard = (tag(server, "server"), namespace_tag(server, namespace))
        self.tags = tags
        self._ttl = ttl
        self._entry_limit = entry_limit
        self._expected = expected
        self._monotonic = monotonic
        self._local = threading.local()
        self._wrote_at = float("-inf")
        self.on_debt: Callable[[], None] | None = None

    # Reading

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Surround the pages of one result, whose receipts make up one."""
        self._local.receipt = None
        self._local.confirmable = True
        yield

    @property
    def last_receipt(self) -> Receipt | None:
        """Receipt of what this thread got since `reading` began; None if it can't be confirmed later."""
        if not getattr(self._local, "confirmable", False):
            return None
        receipt: Receipt | None = getattr(self._local, "receipt", None)
        return receipt

    def answer(
        self,
        expression: str,
        ask: Callable[[], Answer[_Value]],
        read: Callable[[str], _Value | None],
        *,
        ttl: float | None = None,
        max_stale: float = 0.0,
    ) -> _Value:
        """Return the answer to a question from the cache, from whoever is asking the same, or from ftrack.

        Args:
            expression: The question, its page included.
            ask: Asks the server; its errors pass through and nothing is stored.
            read: Makes the value of a response's text; None if it is no answer.
            ttl: Seconds to keep the answer.
            max_stale: Seconds by which the answer may be too old; a commit of this session is seen at once all the same.
        """
        self._expected = True
        tags = self.tags.read(_PAGING.sub("", expression))
        if tags is None:
            return self._alone(ask)
        look = Look(
            key=self._key(expression, tags),
            tags=tuple(self._tag(name) for name in sorted(tags) if not decides_access(name)),
            hard=(*self._hard, *(self._tag(name) for name in sorted(tags) if decides_access(name))),
            token=secrets.token_hex(8),
            lease=self.connection.lease,
            max_stale=min(max_stale, max(0.0, self._monotonic() - self._wrote_at)),
        )
        outcome = self._outcome(look)
        if isinstance(outcome, Found):
            value = self._read(outcome, read)
            if value is not None:
                return value
            # Garbage under our key: a miss like any other, once it is out of the way.
            self._try(partial(self.connection.backend.discard, look.key))
            outcome = self._outcome(look)
            if isinstance(outcome, Found) and (value := self._read(outcome, read)) is not None:
                return value
        if isinstance(outcome, Lead):
            return self._lead(look, outcome, ask, ttl)
        if isinstance(outcome, Alone) and outcome.reason != "large":
            self.connection.availability.warn(f"The query cache takes nothing: {outcome.reason}.")
        return self._alone(ask)

    def confirm(self, receipt: Receipt, max_stale: float = 0.0) -> bool:
        """Return whether a result with this receipt will still do; False when that can't be known."""
        stamps = dict(receipt.stamps)
        now = self._monotonic()
        # It lies before us where Redis's clock was put back: nobody knows how old the answer is.
        if 0 <= now - receipt.asked_at < min(max_stale, now - self._wrote_at):
            stamps = {name: stamp for name, stamp in stamps.items() if self._is_hard(name)}
        confirmed = bool(self._try(lambda: self.connection.backend.holds(stamps)))
        if confirmed:
            self._count(confirmed=1)
        return confirmed

    # Writing

    @contextlib.contextmanager
    def writing(self, batch: Sequence[Mapping[str, Any]], writer: str | None = None) -> Iterator[None]:
        """Surround sending `batch`: its tags are marked open before, and raised after whatever the outcome.

        Also after an error: the server may have applied what it did not answer.

        Args:
            batch: Operations of ftrack's protocol.
            writer: Who writes, where others may go on with it: marks of one that died end with the next one's raise.
        """
        with self.announcing(batch, writer) as leave:
            leave()
            yield

    @contextlib.contextmanager
    def announcing(self, batch: Sequence[Mapping[str, Any]], writer: str | None = None) -> Iterator[Callable[[], None]]:
        """As `writing`, where something else is to be done while the tags are being marked.

        Args:
            batch, writer: As of `writing`.

        Yields:
            What to call right before `batch` leaves, each time: it returns when the tags are marked. If it is not called nothing
            was sent; then marks stay until `writer` has written after all, or for two minutes.
        """
        tags = [self._tag(name) for name in sorted(self.tags.written(batch))]
        if not tags:
            # It changes nothing that anybody asks for.
            yield lambda: None
            return
        backend, writer = self.connection.backend, writer or secrets.token_hex(8)
        # All of it is tried even if Redis did not answer a moment ago: who reads from it now must not be told what was before.
        opening = self._try(partial(backend.start_open, tags, _OPEN_SECONDS, writer), insisting=True)
        left = False

        def leave() -> None:
            nonlocal left
            first, left = not left, True
            if first and not isinstance(opening, Unavailable):
                self._try(opening.wait, insisting=True)

        try:
            yield leave
        finally:
            if not isinstance(opening, Unavailable):
                # Where nobody has waited for it.
                opening.give_up()
            if left:
                self._raise(tags, writer)

    def _raise(self, tags: Sequence[str], writer: str) -> None:
        raising = partial(self.connection.backend.raise_, tags, writer)
        if self._try(raising, insisting=True, patiently=True) is UNAVAILABLE:
            # What could not be told is owed: the whole server is raised before any session of this process reads or
            # stores anything of it, with its next write, or when one is closed.
            self.connection.owe(self._server)
            if self.on_debt is not None:
                self.on_debt()
        self._wrote_at = self._monotonic()

    def raise_tags(self, names: Iterable[str]) -> bool:
        """Make what depends on these tags unreachable, because somebody else has changed it.

        Returns:
            False if the cache is away: then a raise of the whole server is owed, as after `writing`.
        """
        tags = [self._tag(name) for name in names]
        if self._try(partial(self.connection.backend.raise_, tags), insisting=True, patiently=True) is UNAVAILABLE:
            self.connection.owe(self._server)
            return False
        return True

    def settle(self) -> None:
        """Make up for an invalidation that could not be told, if there is one; quietly, as nobody can act on it."""
        self.connection.flush()
        if self.connection.owes(self._server):
            self._try(lambda: True, insisting=True, patiently=True)
        self.connection.report(self._server)

    def clear(self) -> None:
        """Make everything in this session's namespace unreachable, at once and for all processes.

        Raises:
            CacheUnavailableError: Redis does not answer.
        """
        self.connection.backend.raise_([namespace_tag(self._server, self.namespace)])

    @property
    def process_statistics(self) -> CacheStatistics:
        """What this process got out of the cache, all its sessions together."""
        return self.connection.statistics

    def farm_statistics(self) -> CacheStatistics:
        """Return what all processes together got out of the cache for this session's server.

        Processes add their share every few seconds and when a session is closed.

        Raises:
            CacheUnavailableError: Redis does not answer.
        """
        self.connection.flush()
        self.connection.report(self._server)
        return CacheStatistics.of(self.connection.backend.counts(self._server))

    # Parts of an answer

    def _outcome(self, look: Look) -> Outcome | Unavailable:
        """Look, and wait if somebody else is asking."""
        outcome = self._look(look)
        if not isinstance(outcome, Busy):
            return outcome
        self._count(waits=1)
        return self._wait(look, outcome)

    def _look(self, look: Look) -> Outcome | Unavailable:
        """Look, or have another thread look that asks the same and welcomes as much staleness."""

        def look_for_all(others: Callable[[], bool]) -> tuple[Outcome | Unavailable, bool]:
            # A time-out costs each of them less than if all had looked. The token is the same: it may have got the lead.
            outcome = self._try(partial(self.connection.backend.look, look), again=others)
            return outcome, not isinstance(outcome, Lead)

        outcome: Outcome | Unavailable = self.connection.shared_looks.look((look.key, look.max_stale), look_for_all)
        return outcome

    def _wait(self, look: Look, busy: Busy) -> Outcome | Unavailable:
        """Wait until the answer is there, or the lead."""

        def look_for_all(since: float) -> tuple[Outcome | Unavailable | None, bool]:
            # Others wait for the same: what is found must do for each of them.
            waiting = replace(look, max_stale=0.0, waiting_since=since)
            # Who waits anyhow can wait for Redis, too, rather than ask ftrack with all the others.
            outcome = self._try(
                partial(self.connection.backend.look, waiting, patiently=True), patiently=True, again=lambda: True
            )
            return None if isinstance(outcome, Busy) else outcome, not isinstance(outcome, Lead)

        waiting = self.connection.waiting_room.wait(look.key, busy.at, look_for_all, self.connection.longest_wait)
        return UNAVAILABLE if waiting is None else waiting

    def _read(self, found: Found, read: Callable[[str], _Value | None]) -> _Value | None:
        text = unpack(found.payload, self._entry_limit)
        value = None if text is None else read(text)
        if value is not None:
            self._count(hits=1, bytes_read=len(found.payload))
            # An answer that was only good for those who waited can't be confirmed: its stamps are gone.
            self._note(Receipt(found.stamps, self._monotonic() - found.age))
        return value

    def _lead(self, look: Look, lead: Lead, ask: Callable[[], Answer[_Value]], ttl: float | None) -> _Value:
        asked_at = self._monotonic()
        try:
            with self.connection.leads.held(self._renewing(look)):
                answer = ask()
        except BaseException:
            self._give_up(look)
            raise
        self._count(misses=1)
        self._note(Receipt(lead.stamps, asked_at))
        text = answer.text
        if text is None:
            self._give_up(look)
        else:
            self.connection.store(partial(self._store, look, lead, text, ttl or self._ttl))
        return answer.value

    def _store(self, look: Look, lead: Lead, text: str, ttl: float, patiently: bool) -> None:
        backend = self.connection.backend
        payload = pack(text, self._entry_limit)
        if payload is None:
            self._try(partial(backend.too_large, look, patiently=patiently), patiently=patiently)
        else:
            entry = Entry(payload, lead.stamps, lead.asked_at)
            # Who waits for the answer would have to ask ftrack again.
            if self._try(
                partial(backend.store, look, entry, ttl, patiently=patiently),
                patiently=patiently,
                again=lambda: patiently,
            ):
                self._count(stored=1, bytes_stored=len(payload))
        self.connection.waiting_room.nudge(look.key)

    def _give_up(self, look: Look) -> None:
        self._try(partial(self.connection.backend.give_up, look))
        self.connection.waiting_room.nudge(look.key)

    def _renewing(self, look: Look) -> Callable[[], bool]:
        # Where Redis is late the lead may still be ours, and there is time for another try before it ends.
        return lambda: self._try(partial(self.connection.backend.renew, look), patiently=True) is not False

    def _alone(self, ask: Callable[[], Answer[_Value]]) -> _Value:
        self._note(None)
        answer = ask()
        self._count(misses=1)
        return answer.value

    def _note(self, receipt: Receipt | None) -> None:
        """Add what an answer hangs on to what the result hangs on."""
        local = self._local
        former: Receipt | None = getattr(local, "receipt", None)
        if receipt is None:
            local.confirmable = False
        elif former is None:
            local.receipt = receipt
        elif any(receipt.stamps.get(name, stamp) != stamp for name, stamp in former.stamps.items()):
            # Something changed between two pages.
            local.confirmable = False
        else:
            local.receipt = Receipt({**former.stamps, **receipt.stamps}, min(former.asked_at, receipt.asked_at))

    def _count(self, **counts: int) -> None:
        self.statistics.add(**counts)
        self.connection.count(self._server, counts)

    def _is_hard(self, name: str) -> bool:
        return name in self._hard or decides_access(name.removeprefix(self._tag("")))

    def _tag(self, name: str) -> str:
        return tag(self._server, name)

    def _key(self, expression: str, tags: Iterable[str]) -> str:
        # The tags are part of it: another version of the library may know others.
        text = json.dumps([expression, sorted(tags)])
        return f"{self._server}:{self.namespace}:{hashlib.sha256(text.encode()).hexdigest()}"

    def _try(
        self,
        operation: Callable[[], _Value],
        *,
        insisting: bool = False,
        patiently: bool = False,
        again: Callable[[], bool] = lambda: False,
    ) -> _Value | Unavailable:
        """Return what `operation` returns; `UNAVAILABLE` while the cache is away.

        Args:
            operation: Comes after what is owed.
            insisting: Try even if the cache did not answer a moment ago.
            patiently: `operation` takes more time than a look-up has, and what is owed may, too.
            again: After a time-out, whether to try once more.
        """

        def settled() -> _Value:
            if self.connection.owes(self._server):
                with self.connection.paying(self._server):
                    self.connection.backend.raise_([self._tag("server")], patiently=patiently)
            return operation()

        result = self.connection.availability.attempt(
            settled, insisting=insisting, patiently=patiently, again=again, quiet=not self._expected
        )
        if isinstance(result, Unavailable):
            self._count(unavailable=1)
        return result
