"""The ledger in this process's memory: for tests, and for trying things out without Redis. Nothing survives the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from threading import RLock
from typing import Any

from trackteroid.commits.breaker import Breaker
from trackteroid.commits.claim import Claim, Companion
from trackteroid.commits.commit import Action, Commit, CommitError, CommitFacts, Waiting
from trackteroid.commits.ledger import (
    REAP_LIMIT,
    Burial,
    Doubt,
    Enqueued,
    LedgerPolicy,
    Sweep,
    check_priority,
    obstacle,
    poison_error,
    worker_lost_error,
)
from trackteroid.commits.memory_breaker import MemoryBreaker
from trackteroid.commits.memory_ends import MemoryEnds
from trackteroid.commits.memory_lookup import MemoryLookup
from trackteroid.commits.memory_order import MemoryOrder
from trackteroid.commits.memory_outage import MemoryOutage
from trackteroid.commits.memory_outbox import MemoryNotices, MemoryOutbox
from trackteroid.commits.memory_queue import MemoryQueue
from trackteroid.commits.memory_stand_ins import MemoryStandIns
from trackteroid.commits.memory_waiting import ACTIVE, MemoryWaiting, without_lease
from trackteroid.commits.order import Order
from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.state import CommitState
from trackteroid.errors import LeaseLostError, LedgerError, RecordingChangedError, UnknownCommitError

__all__ = ["MemoryLedger"]


class MemoryLedger:
    """Scope: one process, one server. See `trackteroid.commits.ledger.Ledger`."""

    def __init__(
        self, server_url: str, *, policy: LedgerPolicy | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._server_url = server_url
        self._policy = policy or LedgerPolicy()
        self._clock = clock
        self._lock = RLock()
        self._rows: dict[str, Commit] = {}
        self._payloads: dict[str, bytes] = {}
        self._tokens: dict[str, int] = {}
        self._lookup = MemoryLookup(self._rows)
        self._ends = MemoryEnds(self._policy, server_url)
        self._stand_ins = MemoryStandIns(self._policy.tombstone_seconds, clock)
        self._queue = MemoryQueue()
        self._notices = MemoryNotices()
        self._outage = MemoryOutage(self._queue)
        self._breaker = MemoryBreaker(self._policy, self._notices, self._come_back)
        self._open_seconds: dict[str, float] = {}
        self._order = MemoryOrder(self._rows, self._ended)
        self._waiting = MemoryWaiting(self._rows, self._queue, self._order)

    @property
    def server_url(self) -> str:
        return self._server_url

    def enqueue(
        self,
        commit_id: str,
        *,
        digest: str,
        payload: bytes,
        facts: CommitFacts,
        hold: bool = False,
        actor: str | None = None,
        order: Order | None = None,
        priority: int = 0,
    ) -> Enqueued:
        check_priority(priority)
        with self._lock:
            now = self._clock()
            known = self._rows.get(commit_id)
            earlier = known or self._ends.remembered(commit_id, now)
            if earlier is not None:
                if earlier.digest != digest:
                    raise RecordingChangedError(
                        f"Recording {commit_id} is known with another content. Record again instead of changing a file."
                    )
                return Enqueued(commit_id=commit_id, state=earlier.state, known=True)
            state = CommitState.HELD if hold else CommitState.QUEUED
            self._rows[commit_id] = Commit(
                id=commit_id,
                state=state,
                digest=digest,
                server_url=self._server_url,
                facts=facts,
                created_at=now,
                updated_at=now,
                payload_size=len(payload),
                priority=priority,
                actions=(Action(name="hold", actor=actor or None, at=now),) if hold else (),
            )
            self._payloads[commit_id] = payload
            self._order.announce(commit_id, order or Order())
            if not hold:
                self._waiting.line_up(self._rows[commit_id], now)
                self._waiting.find_circle(commit_id, now)
            self._waiting.wake(commit_id, now)
            self._waiting.wake_those_who_miss(self._order.keys(commit_id).created, now)
            return Enqueued(commit_id=commit_id, state=self._rows[commit_id].state, known=False)

    def claim(self, owner: str, *, lease_seconds: float) -> Claim | None:
        with self._lock:
            now = self._clock()
            self._reap(now, REAP_LIMIT)
            free, probe = self._room(now)
            found = self._queue.take(now) if free >= 1 else None
            if found is None:
                return None
            row = self._rows[found]
            token = self._tokens[row.id] = self._tokens.get(row.id, 0) + 1
            if probe:
                self._breaker.probing(now)
            row = self._waiting.store(
                self._with_horizons(row, now),
                now,
                state=CommitState.COMMITTING,
                attempts=row.attempts + 1,
                undecided_claims=row.undecided_claims + 1,
                owner=owner,
                lease_expires_at=now + lease_seconds,
                due_at=None,
                waiting=None,
            )
            return Claim(
                commit=row,
                payload=self._payloads.get(row.id),
                token=token,
                now=now,
                overtaken=self._order.overtaken(row),
                probe=probe,
                companions=tuple(
                    Companion(
                        commit=self._rows[other],
                        payload=self._payloads.get(other),
                        overtaken=self._order.overtaken(self._rows[other]),
                    )
                    for other in row.together
                ),
                stand_ins=self._stand_ins.of_needed(
                    [entity for each in (row.id, *row.together) for entity in self._order.keys(each).needed]
                ),
            )

    def renew(self, claim: Claim, *, lease_seconds: float) -> None:
        with self._lock:
            now = self._clock()
            row = self._held(claim)
            self._rows[row.id] = replace(row, lease_expires_at=now + lease_seconds)

    def mark_sent(self, claim: Claim, *, lease_seconds: float, request_seconds: float) -> None:
        with self._lock:
            now = self._clock()
            row = self._held(claim)
            self._rows[row.id] = replace(row, lease_expires_at=now + lease_seconds, sent_until=now + request_seconds)

    def complete(
        self, claim: Claim, *, result: Mapping[str, Any], companions: Mapping[str, Mapping[str, Any]] | None = None
    ) -> bool:
        with self._lock:
            now = self._clock()
            row = self._held(claim)
            results = {row.id: result, **(companions or {})}
            for commit_id, each in results.items():
                self._waiting.store(
                    self._rows[commit_id],
                    now,
                    state=CommitState.COMMITTED,
                    committed_at=now,
                    undecided_claims=0,
                    owner=None,
                    lease_expires_at=None,
                    sent_until=None,
                    uncertain_until=None,
                    error=None,
                    result=dict(each),
                    waiting=None,
                    waiting_since=None,
                    together=(),
                )
                self._order.note_written(row if commit_id == row.id else self._rows[commit_id])
            for commit_id in results:
                self._finish(self._rows[commit_id], now, CommitState.COMMITTED)
            return self._breaker.close(now)

    def complete_and_claim(
        self,
        claim: Claim,
        *,
        result: Mapping[str, Any],
        companions: Mapping[str, Mapping[str, Any]] | None = None,
        owner: str,
        lease_seconds: float,
    ) -> tuple[bool, Claim | None]:
        with self._lock:
            closed = self.complete(claim, result=result, companions=companions)
            return closed, self.claim(owner, lease_seconds=lease_seconds)

    def retry(
        self,
        claim: Claim,
        *,
        delay: float,
        error: CommitError,
        doubt: Doubt,
        signature: str = "",
        pause: float = 0.0,
    ) -> bool:
        with self._lock:
            now = self._clock()
            row = self._doubted(self._held(claim), now, doubt)
            changes: dict[str, Any] = {"error": error, "undecided_claims": 0}
            spared, opened = self._same_error(row, signature, error, now)
            if error.kind == "environment":
                opened = self._breaker.open("environment", error, now)
                changes.update(_uncounted(row))
            elif spared or self._breaker.is_open:
                changes.update(_uncounted(row))
            elif error.kind == "unknown":
                changes["unknown_failures"] = row.unknown_failures + 1
            self._breaker.pause(pause, now)
            self._waiting.schedule(row, now, CommitState.RETRYING, now + delay, changes)
            if error.kind == "transient":
                self._outage.missed(row.id, now)
            return opened

    def wait(self, claim: Claim, *, delay: float, error: CommitError, doubt: Doubt) -> None:
        with self._lock:
            now = self._clock()
            row = self._doubted(self._held(claim), now, doubt)
            row = replace(row, error=error, undecided_claims=0)
            # An answer about this commit: whatever was wrong around us is over.
            self._breaker.close(now)
            self._order.missing.update((*row.together, row.id))
            members = frozenset((*row.together, row.id)) if row.together else frozenset()
            for one in (*row.together, row.id):
                found = self._order.blocker(self._rows[one], members)
                if found is not None:
                    self._waiting.park(row, now, found)
                    return
            since = now if row.waiting_since is None else row.waiting_since
            waiting = Waiting(kind="missing", commit_id=None, subject="")
            self._waiting.schedule(
                row, now, CommitState.WAITING, now + delay, {"waiting": waiting, "waiting_since": since}
            )

    def bury(self, claim: Claim, *, error: CommitError, doubt: Doubt = Doubt.NONE, signature: str = "") -> Burial:
        with self._lock:
            now = self._clock()
            row = self._doubted(self._held(claim), now, doubt)
            spared, opened = self._same_error(row, signature, error, now)
            if not spared:
                self._bury(row, now, error)
                return Burial.DEAD
            self._waiting.schedule(row, now, CommitState.RETRYING, now, {"error": error, **_uncounted(row)})
            return Burial.OPENED if opened else Burial.SPARED

    def hand_back(self, claim: Claim) -> None:
        with self._lock:
            now = self._clock()
            row = self._held(claim)
            attempts = row.attempts - 1
            changes = {"attempts": attempts, "undecided_claims": max(row.undecided_claims - 1, 0)}
            self._waiting.schedule(row, now, CommitState.RETRYING if attempts else CommitState.QUEUED, now, changes)

    def release(self, commit_id: str, *, actor: str | None = None, facts: ReleaseFacts | None = None) -> Commit:
        with self._lock:
            now = self._clock()
            row = self.get(commit_id)
            if row.state in (CommitState.DEAD, CommitState.CANCELLED):
                raise LedgerError(obstacle("release", commit_id, row.state.value))
            if row.state is not CommitState.HELD:
                return row
            self._waiting.line_up(replace(_acted(row, "release", actor, now), release=facts), now)
            self._waiting.wake(commit_id, now)
            return self._rows[commit_id]

    def cancel(self, commit_id: str, *, actor: str | None = None) -> Commit:
        with self._lock:
            now = self._clock()
            row = self.get(commit_id)
            if row.state is CommitState.CANCELLED:
                return row
            if commit_id not in self._rows or row.state in (CommitState.COMMITTING, CommitState.COMMITTED):
                raise LedgerError(obstacle("cancel", commit_id, row.state.value))
            leader = row.waiting.commit_id if row.waiting is not None and row.waiting.kind == "together" else None
            if leader is not None and self._rows[leader].state is CommitState.COMMITTING:
                raise LedgerError(obstacle("cancel", commit_id, CommitState.COMMITTING.value))
            for other in row.together if row.uncertain_until is not None else ():
                # Without the one that was tried for all of them, the others keep in mind that it may have got through.
                self._rows[other] = replace(self._rows[other], uncertain_until=row.uncertain_until)
            row = _acted(row, "cancel", actor, now)
            self._queue.remove(commit_id)
            row = self._waiting.store(row, now, state=CommitState.CANCELLED, due_at=None, waiting=None, together=())
            self._finish(row, now, CommitState.CANCELLED)
            if leader is not None and self._rows[leader].state in ACTIVE:
                self._waiting.settle(self._rows[leader], now)
            return row

    def retry_dead(self, commit_id: str, *, actor: str | None = None) -> Commit:
        with self._lock:
            now = self._clock()
            row = self.get(commit_id)
            if row.state is not CommitState.DEAD:
                raise LedgerError(obstacle("retry", commit_id, row.state.value))
            if commit_id not in self._payloads:
                raise LedgerError(obstacle("retry", commit_id, "gone"))
            if not row.together:
                # One that needs others, which need it, still does.
                self._order.missing.discard(commit_id)
            self._breaker.forget(commit_id)
            row = replace(row, undecided_claims=0, unknown_failures=0, trying_since=None, waiting_since=None)
            self._waiting.line_up(_acted(row, "retry", actor, now), now)
            self._waiting.wake(commit_id, now)
            return self._rows[commit_id]

    def sweep(self, *, limit: int = 100) -> Sweep:
        with self._lock:
            now = self._clock()
            reaped = self._reap(now, limit)
            return Sweep(reaped=reaped, due=int(min(self._room(now)[0], self._queue.due(now))))

    def breaker(self) -> Breaker:
        with self._lock:
            return self._breaker.state(self._clock())

    def get(self, commit_id: str) -> Commit:
        with self._lock:
            row = self._rows.get(commit_id)
            if row is not None:
                return row
            ended = self._ends.remembered(commit_id, self._clock())
            if ended is None:
                raise UnknownCommitError(f"No commit {commit_id} is known for {self._server_url}.")
            return ended

    def payload(self, commit_id: str) -> bytes | None:
        with self._lock:
            return self._payloads.get(commit_id)

    def list(
        self,
        states: Iterable[CommitState] | None = None,
        *,
        limit: int = 50,
        before: tuple[float, str] | None = None,
        words: Sequence[Sequence[str]] = (),
    ) -> Sequence[Commit]:
        with self._lock:
            return self._lookup.newest(states, limit=limit, before=before, words=words)

    def remember_stand_ins(self, stands_for: Mapping[str, str | None]) -> None:
        with self._lock:
            self._stand_ins.remember(stands_for)

    def stand_ins(self, entity_ids: Sequence[str]) -> dict[str, str]:
        with self._lock:
            return self._stand_ins.of(entity_ids)

    def words_like(self, pattern: str, *, limit: int = 200) -> Sequence[str] | None:
        with self._lock:
            return self._lookup.words_like(pattern, limit=limit)

    def counts(self) -> dict[CommitState, int]:
        with self._lock:
            return self._lookup.counts()

    @property
    def outbox(self) -> MemoryOutbox:
        return MemoryOutbox(self._notices, self._rows, self._lock, self._clock)

    def note_overdue(self, seconds: float, *, limit: int = 100) -> int:
        with self._lock:
            now = self._clock()
            return self._notices.note_overdue(self._rows.values(), now - seconds, now, limit=limit)

    def purge(self, *, limit: int = 1000) -> int:
        with self._lock:
            now = self._clock()
            expired = self._ends.expired(now, limit=limit)
            for commit_id in expired:
                del self._rows[commit_id]
                self._tokens.pop(commit_id, None)
            return len(expired)

    # What the transitions share

    def _held(self, claim: Claim) -> Commit:
        row = self._rows.get(claim.commit.id)
        fence = (self._tokens.get(claim.commit.id), None if row is None else row.owner)
        if row is None or row.state is not CommitState.COMMITTING or fence != (claim.token, claim.commit.owner):
            raise LeaseLostError(f"Commit {claim.commit.id} is no longer held by {claim.commit.owner}.")
        return row

    def _finish(self, row: Commit, now: float, state: CommitState) -> None:
        self._payloads.pop(row.id, None)
        self._ends.note(row, state, now)
        self._order.forget(row.id)
        self._breaker.forget(row.id)
        self._open_seconds.pop(row.id, None)
        self._waiting.wake(row.id, now)

    # The breaker

    def _room(self, now: float) -> tuple[float, bool]:
        active = sum(1 for row in self._rows.values() if row.state is CommitState.COMMITTING)
        return self._breaker.room(active, now)

    def _with_horizons(self, row: Commit, now: float) -> Commit:
        # Their clocks stand still while the breaker is open.
        total = self._breaker.open_seconds(now)
        shift = total - self._open_seconds.get(row.id, total)
        self._open_seconds[row.id] = total
        return replace(
            row,
            trying_since=now if row.trying_since is None else row.trying_since + shift,
            waiting_since=None if row.waiting_since is None else row.waiting_since + shift,
        )

    def _same_error(self, row: Commit, signature: str, error: CommitError, now: float) -> tuple[bool, bool]:
        spared, others, opened = self._breaker.same_error(row.id, signature, error, now)
        for other in others:
            if other in self._rows and self._rows[other].state is CommitState.DEAD:
                self._waiting.line_up(replace(self._rows[other], trying_since=None), now)
                self._waiting.wake(other, now)
        return spared, opened

    def _come_back(self, now: float) -> None:
        for commit_id in self._outage.answered(now):
            self._waiting.schedule(self._rows[commit_id], now, CommitState.RETRYING, now, {})

    # Order

    def _ended(self, commit_id: str) -> CommitState | None:
        ended = self._ends.remembered(commit_id, self._clock())
        return None if ended is None else ended.state

    @staticmethod
    def _doubted(row: Commit, now: float, doubt: Doubt) -> Commit:
        if doubt is Doubt.RUNNING or row.sent_until is None:
            return row
        return replace(row, sent_until=now if doubt is Doubt.SETTLED else None)

    def _bury(self, row: Commit, now: float, error: CommitError) -> None:
        free = without_lease(row)
        self._waiting.store(free, now, state=CommitState.DEAD, due_at=None, error=error, undecided_claims=0)
        self._notices.tell("dead", row.id, now, error)
        self._waiting.wake(row.id, now)

    def _reap(self, now: float, limit: int) -> int:
        expired = [
            row
            for row in self._rows.values()
            if row.state is CommitState.COMMITTING and row.lease_expires_at is not None and row.lease_expires_at <= now
        ]
        expired.sort(key=lambda row: (row.lease_expires_at or 0.0, row.id))
        for row in expired[:limit]:
            if row.undecided_claims > self._policy.max_claims:
                self._bury(row, now, poison_error(row.undecided_claims))
            else:
                self._waiting.schedule(row, now, CommitState.RETRYING, now, {"error": worker_lost_error(row.owner)})
        return min(len(expired), limit)


def _acted(row: Commit, name: str, actor: str | None, now: float) -> Commit:
    return replace(row, actions=(*row.actions, Action(name=name, actor=actor or None, at=now)))


def _uncounted(row: Commit) -> dict[str, Any]:
    # Not the commit's own fault: the claim does not count, and the horizon counts from the next one.
    return {"attempts": row.attempts - 1, "undecided_claims": 0, "trying_since": None}
