"""Telling somebody: of dead commits, of commits held for too long, of the breaker. Rules: design 5.

At least once, and once per cause and five minutes: the first of a cause at once, what follows together. A channel that fails is
tried again with growing pauses and keeps nothing else waiting: no commit knows of it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from trackteroid.commits.commit import Commit
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.outbox import CHANNELS, Notice, Outbox
from trackteroid.errors import LedgerError, LedgerUnavailableError, UnknownCommitError

__all__ = ["LISTED", "Channel", "Message", "Teller", "cause_of"]

logger = logging.getLogger(__name__)

#: Commits that a message describes one by one; of more it gives the number.
LISTED = 20

_PARTICULAR = re.compile(r"\"[^\"]*\"|'[^']*'|\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,}\b|\d+")
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
_UNWANTED_SECONDS = 86400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a channel passes on: everything that happened for one cause.

    Attributes:
        id: Of this message; a repeated delivery of the same beginnings has the same.
        event: `dead`, `overdue`, `breaker_open` or `breaker_closed`.
        server_url: Which ftrack server's commits.
        at: When the first of it happened, seconds since the epoch.
        count: How many commits (for the breaker: how many times).
        reason: Why, in one sentence.
        command: What repairs it, to be copied into a terminal; empty if nothing has to be done.
        commits: The first `LISTED` of them.
    """

    id: str
    event: str
    server_url: str
    at: float
    count: int
    reason: str
    command: str = ""
    commits: tuple[Commit, ...] = ()

    @property
    def context(self) -> Mapping[str, Any]:
        """Project, shot, asset and so on of the first commit; empty without one."""
        return dict(self.commits[0].facts.context) if self.commits else {}

    @property
    def text(self) -> str:
        """All of it in one line, for a chat."""
        what = {
            "dead": "cannot be committed",
            "overdue": "held for too long",
            "breaker_open": "Commits stop: the trouble is around them, nothing is lost",
            "breaker_closed": "Commits go on",
        }[self.event]
        if self.event in ("dead", "overdue"):
            who = _who(self.commits[0]) if self.count == 1 and self.commits else ""
            subject = f"1 publish{who}" if self.count == 1 else f"{self.count} publishes"
            what = f"{subject} {what}"
        repair = f" Repair: {self.command}" if self.command else ""
        return f"{what} ({self.server_url}). {self.reason}{repair}"

    def as_dict(self) -> dict[str, Any]:
        """Return the message as plain JSON values; `text` is what chats show."""
        return {
            "format": "trackteroid message",
            "version": 1,
            "id": self.id,
            "event": self.event,
            "server_url": self.server_url,
            "at": self.at,
            "count": self.count,
            "reason": self.reason,
            "command": self.command,
            "commits": [
                {
                    "id": commit.id,
                    "state": commit.state.value,
                    "user": commit.facts.user,
                    "host": commit.facts.host,
                    "context": dict(commit.facts.context),
                    "labels": dict(commit.facts.labels),
                    "created_at": commit.created_at,
                    "attempts": commit.attempts,
                    "reason": "" if commit.error is None else commit.error.message,
                }
                for commit in self.commits
            ],
            "text": self.text,
        }


class Channel(Protocol):
    """A way to somebody. `send` raises whatever it likes if the message may not have arrived."""

    @property
    def name(self) -> str:
        """One of `outbox.CHANNELS`."""

    @property
    def seconds(self) -> float:
        """How long `send` may take at most."""

    def send(self, message: Message) -> None:
        """Pass a message on."""


def cause_of(notice: Notice) -> str:
    """Return a text that is the same for notices that differ only in names, ids and numbers."""
    if notice.event != "dead" or notice.error is None:
        return notice.event
    return f"dead {notice.error.error_class}: {_PARTICULAR.sub('*', notice.error.message)[:200]}"


class Teller:
    """Passes on what waits in the outbox. Any number of them may work on one ledger.

    Args:
        ledger: For what the messages say of commits.
        outbox: The ledger's.
        channels: Those that somebody has configured for this worker; what waits for others is thrown away after a day.
        digest_seconds: Of one cause there is one message in so many seconds.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        ledger: Ledger,
        outbox: Outbox,
        channels: Sequence[Channel],
        *,
        digest_seconds: float = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._channels = {channel.name: channel for channel in channels}
        self._digest_seconds = digest_seconds
        self._clock = clock

    def tell(self) -> int:
        """Deliver what is due; return how many messages were. Only Redis' own failures are raised.

        Raises:
            LedgerUnavailableError: Redis cannot be reached; what was not taken away is delivered again.
        """
        delivered = 0
        for name in CHANNELS:
            channel = self._channels.get(name)
            if channel is None:
                # Another worker may have the channel: only what nobody wanted for a day is thrown away.
                old = self._clock() - _UNWANTED_SECONDS
                self._outbox.dismiss(name, [notice for notice in self._outbox.notices(name) if notice.at < old])
            elif self._outbox.lock(name, seconds=2 * channel.seconds + 30.0):
                try:
                    delivered += self._tell(channel)
                finally:
                    self._outbox.unlock(name)
        return delivered

    def _tell(self, channel: Channel) -> int:
        waiting = self._outbox.notices(channel.name)
        if not waiting:
            return 0
        known = self._outbox.remembered(channel.name)
        now = self._clock()
        if known.get("paused_until", 0.0) > now:
            return 0
        causes: dict[str, list[Notice]] = {}
        for notice in waiting:
            causes.setdefault(cause_of(notice), []).append(notice)
        started = self._clock()
        delivered = 0
        # What failed before goes last, so that a receiver that chokes on one message hears the others.
        for cause, notices in sorted(causes.items(), key=lambda item: known.get(_mark("failed", item[0]), 0.0)):
            # With the lock's time in mind: the rest is told the next time.
            if self._clock() - started > channel.seconds + 10.0:
                break
            mark = _mark("told", cause)
            if now - known.get(mark, float("-inf")) < self._digest_seconds:
                continue
            message = self._message(notices)
            if message is not None:
                try:
                    channel.send(message)
                except Exception as error:
                    self._pause(channel, known, error, cause)
                    return delivered
                delivered += 1
            self._outbox.dismiss(channel.name, notices)
            marks: dict[str, float | None] = {"tries": None, "paused_until": None, _mark("failed", cause): None}
            if message is not None:
                marks[mark] = now
            self._outbox.remember(channel.name, marks, seconds=self._kept)
        return delivered

    @property
    def _kept(self) -> float:
        return 2 * self._digest_seconds + _LONGEST_PAUSE

    def _pause(self, channel: Channel, known: Mapping[str, float], error: Exception, cause: str) -> None:
        tries = known.get("tries", 0.0)
        pause = min(min(_FIRST_PAUSE, self._digest_seconds) * 2**tries, _LONGEST_PAUSE)
        logger.warning(
            "Nobody was told through the %s (%s: %s); tried again in %.0f s.",
            channel.name,
            type(error).__name__,
            error,
            pause,
            extra={"action": "telling_failed", "channel": channel.name},
        )
        failed = _mark("failed", cause)
        marks = {"tries": tries + 1, "paused_until": self._clock() + pause, failed: known.get(failed, 0.0) + 1}
        self._outbox.remember(channel.name, dict(marks), seconds=self._kept)

    def _message(self, notices: Sequence[Notice]) -> Message | None:
        """Return what is to be said; None if it is no longer so."""
        first = notices[0]
        message = Message(
            id=hashlib.sha256(first.line).hexdigest()[:32],
            event=first.event,
            server_url=self._ledger.server_url,
            at=first.at,
            count=len(notices),
            reason="" if first.error is None else first.error.message,
        )
        if first.event == "breaker_closed":
            return replace(message, reason=f"It was: {message.reason}" if message.reason else "")
        if first.event == "breaker_open":
            return replace(message, command="trackteroid doctor")
        state = "held" if first.event == "overdue" else "dead"
        ids = list(dict.fromkeys(notice.commit_id for notice in notices))
        # Somebody may have repaired, released or cancelled some of them meanwhile.
        states = self._outbox.states(ids)
        ids = [commit_id for commit_id in ids if states.get(commit_id) == state]
        if not ids:
            return None
        commits = tuple(self._described(ids[:LISTED]))
        listed = shlex.join(ids[:LISTED])
        if state == "dead":
            reason = message.reason
            command = f"trackteroid commits retry {listed}"
        else:
            oldest = min((commit.created_at for commit in commits), default=first.at)
            reason = f"Nobody has released it for {(self._clock() - oldest) / 3600:.0f} h: did the render fail?"
            command = f"trackteroid release {listed} (or: trackteroid commits cancel {listed})"
        if len(ids) > LISTED:
            command += f" and {len(ids) - LISTED} more: trackteroid commits list --state {state}"
        return replace(message, count=len(ids), reason=reason, command=command, commits=commits)

    def _described(self, ids: Sequence[str]) -> list[Commit]:
        found = []
        for commit_id in ids:
            try:
                found.append(self._ledger.get(commit_id))
            except UnknownCommitError:
                continue
            except LedgerUnavailableError:
                raise
            except LedgerError as error:
                # A row that this release cannot read: the others are told of.
                logger.warning("%s", error)
        return found


def _mark(what: str, cause: str) -> str:
    return f"{what} {hashlib.sha256(cause.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _who(commit: Commit) -> str:
    context = commit.facts.context
    about = " / ".join(str(context[name]) for name in ("project", "parents", "asset", "task") if context.get(name))
    by = f" by {commit.facts.user}" if commit.facts.user else ""
    return f" of {about}{by}" if about else by
