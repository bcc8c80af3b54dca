"""One asks, the others wait: threads that look or wait for the same thing, and leads that are kept alive.

Nothing here knows what is asked. Of the threads of a process that ask for the same key one looks for all that were there when it
looked; of those that wait then one looks from time to time, again for all. A look that began before a thread came is no answer to
it: what has been done in between must show. Who leads renews its lead from a thread of its own, so that a lead can be short (a
killed process holds up the others no longer than that) though an answer may take long.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Leads", "SharedLooks", "WaitingRoom"]

_Outcome = TypeVar("_Outcome")

# Between two looks: a part of what has been waited already, so that waiting adds little to what it takes anyhow, and many who
# wait long do not ask all the time; within bounds.
_PAUSE_SHARE = 0.2
_SHORTEST_PAUSE = 0.005
_LONGEST_PAUSE = 0.1


@dataclass(eq=False)
class _Waiter(Generic[_Outcome]):
    since: float
    outcome: _Outcome | None = None


@dataclass(eq=False)
class _Group(Generic[_Outcome]):
    """Those who wait for one key."""

    began: float
    changed: threading.Condition = field(default_factory=threading.Condition)
    waiters: list[_Waiter[_Outcome]] = field(default_factory=list)
    looking: bool = False
    nudged: bool = False


@dataclass(eq=False)
class _Asker(Generic[_Outcome]):
    """`outcome` is a sequence of one as soon as there is one; `left` says that nobody is there to take it."""

    outcome: tuple[_Outcome] | tuple[()] = ()
    left: bool = False


@dataclass(eq=False)
class _Line(Generic[_Outcome]):
    """Those who ask for one key; who has come while one was looking is `next`."""

    moved: threading.Condition
    next: list[_Asker[_Outcome]] = field(default_factory=list)
    looking: bool = False


class SharedLooks(Generic[_Outcome]):
    """Looks that threads of this process make for each other: while one looks, those who come line up for the next look.

    Who is alone pays a lock for it. Many at once would each need a connection, and be in each other's way (and that of the one
    who has to answer) for as long as a look may take.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[Hashable, _Line[_Outcome]] = {}

    def look(self, key: Hashable, look: Callable[[Callable[[], bool]], tuple[_Outcome, bool]]) -> _Outcome:
        """Return the outcome of a look that began after this call.

        Args:
            key: Of what is looked for.
            look: Called by one thread at a time, with a function that tells whether others want to know too. Returns the outcome
                and whether it is everybody's; else it is the calling thread's, and the others look again.
        """
        me: _Asker[_Outcome] = _Asker()
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = _Line(threading.Condition(self._lock))
            line.next.append(me)
            try:
                while line.looking and not me.outcome:
                    line.moved.wait()
            except BaseException:
                # Somebody has pressed Ctrl-C.
                me.left = True
                self._tidy(key, line)
                raise
            if me.outcome:
                return me.outcome[0]
            line.looking = True
            present, line.next = line.next, []
        present.remove(me)
        everybodys: tuple[_Outcome] | tuple[()] = ()
        try:
            outcome, common = look(lambda: bool(present or line.next))
            if common:
                everybodys = (outcome,)
            return outcome
        finally:
            with self._lock:
                line.looking = False
                if everybodys:
                    for asker in present:
                        asker.outcome = everybodys
                else:
                    line.next = present + line.next
                self._tidy(key, line)
                line.moved.notify_all()

    def _tidy(self, key: Hashable, line: _Line[_Outcome]) -> None:
        line.next = [asker for asker in line.next if not asker.left]
        if not line.next and not line.looking:
            self._lines.pop(key, None)


class WaitingRoom(Generic[_Outcome]):
    """Where the threads of this process wait.

    Args:
        monotonic: Clock for how long.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._groups: dict[Hashable, _Group[_Outcome]] = {}

    def wait(
        self,
        key: Hashable,
        since: float,
        look: Callable[[float], tuple[_Outcome | None, bool]],
        seconds: float,
    ) -> _Outcome | None:
        """Wait until there is an outcome.

        Args:
            key: Of what is waited for.
            since: When this thread began to wait, by the clock of those who answer.
            look: Called by one thread at a time, with the latest `since` of all who wait now. Returns the outcome, None if there
                is none yet, and whether it is everybody's; else it is the calling thread's, and the others go on waiting.
            seconds: Longest time to wait.

        Returns:
            The outcome, None if there was none in time.
        """
        deadline = self._monotonic() + seconds
        me: _Waiter[_Outcome] = _Waiter(since)
        group = self._enter(key, me)
        try:
            with group.changed:
                while me.outcome is None:
                    left = deadline - self._monotonic()
                    if left <= 0:
                        return None
                    if group.looking:
                        group.changed.wait(left)
                        continue
                    outcome = self._look(group, look, left)
                    if outcome is not None:
                        return outcome
                return me.outcome
        finally:
            self._leave(key, group, me)

    def nudge(self, key: Hashable) -> None:
        """Let those who wait for `key` look now: something has happened."""
        with self._lock:
            group = self._groups.get(key)
        if group is not None:
            with group.changed:
                group.nudged = True
                group.changed.notify_all()

    def _look(
        self, group: _Group[_Outcome], look: Callable[[float], tuple[_Outcome | None, bool]], left: float
    ) -> _Outcome | None:
        """Pause, then look; `group.changed` is held before and after, and let go meanwhile."""
        group.looking = True
        try:
            pause = min(left, self._pause(group))
            group.changed.wait_for(lambda: group.nudged, pause)
            group.nudged = False
            present = list(group.waiters)
            group.changed.release()
            try:
                outcome, common = look(max(waiter.since for waiter in present))
            finally:
                group.changed.acquire()
        finally:
            group.looking = False
            group.changed.notify_all()
        if outcome is not None and common:
            for waiter in present:
                waiter.outcome = outcome
        return outcome

    def _pause(self, group: _Group[_Outcome]) -> float:
        share = _PAUSE_SHARE * (self._monotonic() - group.began) * random.uniform(0.75, 1.25)
        return min(max(share, _SHORTEST_PAUSE), _LONGEST_PAUSE)

    def _enter(self, key: Hashable, me: _Waiter[_Outcome]) -> _Group[_Outcome]:
        with self._lock:
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group(self._monotonic())
            # Under both locks: a group that its last waiter leaves is forgotten, and nobody may have entered it then.
            with group.changed:
                group.waiters.append(me)
            return group

    def _leave(self, key: Hashable, group: _Group[_Outcome], me: _Waiter[_Outcome]) -> None:
        with self._lock, group.changed:
            group.waiters.remove(me)
            group.changed.notify_all()
            if not group.waiters and self._groups.get(key) is group:
                del self._groups[key]


class Leads:
    """Renews what this process leads, from one thread that lives while there is anything to renew.

    Args:
        lease: Seconds that a lead lasts; renewed at a third.
        longest: Seconds after which a lead is left to end: whoever leads is stuck, and nobody waits any longer.
        monotonic: Clock for the above.
    """

    def __init__(self, lease: float, longest: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._every = lease / 3
        self._longest = longest
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._held: dict[object, tuple[Callable[[], bool], float]] = {}
        self._renewing = False

    @contextmanager
    def held(self, renew: Callable[[], bool]) -> Iterator[None]:
        """Renew a lead by calling `renew`, until the block ends or it returns False."""
        lead = object()
        with self._changed:
            self._held[lead] = (renew, self._monotonic())
            if not self._renewing:
                self._renewing = True
                threading.Thread(target=self._renew, name="trackteroid-cache-leads", daemon=True).start()
        try:
            yield
        finally:
            with self._changed:
                self._held.pop(lead, None)

    def _renew(self) -> None:
        while True:
            with self._changed:
                # The thread stays for one more round after the last lead: most processes miss several times in a row.
                idle = not self._held
                self._changed.wait(self._every)
                if idle and not self._held:
                    self._renewing = False
                    return
                due = list(self._held.items())
            now = self._monotonic()
            for lead, (renew, since) in due:
                if now - since > self._longest or not renew():
                    with self._changed:
                        self._held.pop(lead, None)
