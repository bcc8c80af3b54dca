"""The ledger in Redis: one Lua script per transition, so that each is atomic whatever crashes around it.

Scope: everybody who uses this Redis and this ftrack server. Needs a single instance or Sentinel (the scripts derive their keys
from one prefix, see `lua/common`), Redis 6.2 or newer, or Valkey.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import redis

from trackteroid.commits.breaker import Breaker
from trackteroid.commits.claim import Claim, Companion
from trackteroid.commits.commit import Commit, CommitError, CommitFacts
from trackteroid.commits.indexing import index_words, literal_start, may_fit
from trackteroid.commits.ledger import (
    REAP_LIMIT,
    Burial,
    Doubt,
    Enqueued,
    LedgerPolicy,
    Sweep,
    check_priority,
    obstacle,
)
from trackteroid.commits.order import Order
from trackteroid.commits.redis_client import ledger_errors
from trackteroid.commits.redis_outbox import RedisOutbox
from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.scripts import source
from trackteroid.commits.state import CommitState
from trackteroid.errors import LeaseLostError, LedgerDataError, LedgerError, RecordingChangedError, UnknownCommitError
from trackteroid.redis_scripts import RedisScript

__all__ = ["FORMAT_VERSION", "RedisLedger"]

#: Part of every key: releases with another format do not see each other's rows instead of misreading them.
FORMAT_VERSION = 1

#: How many commits, or words, one script or command looks at.
LIST_STEP = 500


class RedisLedger:
    """See `trackteroid.commits.ledger.Ledger`.

    Args:
        client: Connection to Redis, with `decode_responses` off.
        server_url: Normalised URL of the ftrack server.
        policy: Numbers that decide transitions.
        address: The Redis URL for messages.
        clock: Time source for tests; None (always, in production) lets Redis decide.
    """

    def __init__(
        self,
        client: redis.Redis,
        server_url: str,
        *,
        policy: LedgerPolicy | None = None,
        address: str = "(unknown)",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._client = client
        self._server_url = server_url
        self._policy = policy or LedgerPolicy()
        self._address = address
        self._clock = clock
        self._prefix = f"trackteroid:ledger:{FORMAT_VERSION}:{server_url}:"
        self._scripts: dict[str, RedisScript] = {}

    @property
    def server_url(self) -> str:
        return self._server_url

    @property
    def prefix(self) -> str:
        """What all keys of this ledger begin with."""
        return self._prefix

    @property
    def client(self) -> redis.Redis:
        """The connection, for whoever works on the same Redis (wake-up list, checks)."""
        return self._client

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
        order = order or Order()
        outcome, detail = self._run(
            "enqueue",
            commit_id,
            digest,
            facts.to_json(),
            payload,
            "1" if hold else "",
            actor or "",
            order.to_json(),
            "" if order.recorded_at is None else repr(order.recorded_at),
            check_priority(priority),
            facts.flow,
            *_words(commit_id, facts, None),
        )
        if outcome == b"changed":
            raise RecordingChangedError(
                f"Recording {commit_id} is known with another content. Record again instead of changing a file."
            )
        return Enqueued(commit_id=commit_id, state=CommitState(detail.decode()), known=outcome == b"known")

    def claim(self, owner: str, *, lease_seconds: float) -> Claim | None:
        return self._claim(self._run("claim", *self._for_claim(owner, lease_seconds)))

    def _for_claim(self, owner: str, lease_seconds: float) -> Sequence[str | float]:
        policy = self._policy
        return (owner, lease_seconds, policy.max_claims, REAP_LIMIT, policy.concurrency, policy.probe_seconds)

    def _claim(self, answer: Any) -> Claim | None:
        if answer is None:
            return None
        now, commit_id, token, payload, row, overtaken, probe, companions, stand_ins = answer
        names = [name.decode() for name in stand_ins]
        return Claim(
            commit=self._commit(commit_id, row),
            payload=payload,
            token=int(token),
            now=float(now),
            overtaken=_pairs(overtaken),
            probe=bool(probe),
            companions=tuple(
                Companion(commit=self._commit(other, fields), payload=stored, overtaken=_pairs(late))
                for other, stored, fields, late in companions
            ),
            stand_ins={name: other or None for name, other in zip(names[::2], names[1::2], strict=True)},
        )

    def renew(self, claim: Claim, *, lease_seconds: float) -> None:
        self._as_holder("renew", claim, lease_seconds)

    def mark_sent(self, claim: Claim, *, lease_seconds: float, request_seconds: float) -> None:
        self._as_holder("mark_sent", claim, lease_seconds, request_seconds)

    def complete(
        self, claim: Claim, *, result: Mapping[str, Any], companions: Mapping[str, Mapping[str, Any]] | None = None
    ) -> bool:
        return self._as_holder("complete", claim, *self._for_complete(claim, result, companions)) == 2

    def complete_and_claim(
        self,
        claim: Claim,
        *,
        result: Mapping[str, Any],
        companions: Mapping[str, Mapping[str, Any]] | None = None,
        owner: str,
        lease_seconds: float,
    ) -> tuple[bool, Claim | None]:
        first = (claim.commit.id, _fence(claim), *self._for_complete(claim, result, companions))
        completed, *claimed = self._run(
            "complete_and_claim", len(first), *first, *self._for_claim(owner, lease_seconds)
        )
        return _still_held(claim, completed) == 2, self._claim(claimed[0])

    def _for_complete(
        self, claim: Claim, result: Mapping[str, Any], companions: Mapping[str, Mapping[str, Any]] | None
    ) -> Sequence[str | float]:
        policy = self._policy
        results = [json.dumps(dict(result)), *_words(claim.commit.id, claim.commit.facts, result)]
        for other in claim.companions:
            if companions is not None and other.commit.id in companions:
                each = companions[other.commit.id]
                results += [other.commit.id, json.dumps(dict(each)), *_words(other.commit.id, other.commit.facts, each)]
        return (policy.retention_seconds, policy.tombstone_seconds, *results)

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
        text, policy = error.to_json(), self._policy
        facts = (delay, text, error.kind, doubt.value, signature, policy.streak, policy.probe_seconds, pause)
        return self._as_holder("retry", claim, *facts) == 2

    def wait(self, claim: Claim, *, delay: float, error: CommitError, doubt: Doubt) -> None:
        self._as_holder("wait", claim, delay, error.to_json(), doubt.value)

    def bury(self, claim: Claim, *, error: CommitError, doubt: Doubt = Doubt.NONE, signature: str = "") -> Burial:
        policy = self._policy
        facts = (error.to_json(), doubt.value, signature, policy.streak, policy.probe_seconds)
        return {1: Burial.DEAD, 2: Burial.SPARED, 3: Burial.OPENED}[self._as_holder("bury", claim, *facts)]

    def hand_back(self, claim: Claim) -> None:
        self._as_holder("hand_back", claim)

    def release(self, commit_id: str, *, actor: str | None = None, facts: ReleaseFacts | None = None) -> Commit:
        return self._as_person("release", "release", commit_id, actor, "" if facts is None else facts.to_json())

    def cancel(self, commit_id: str, *, actor: str | None = None) -> Commit:
        policy = self._policy
        return self._as_person("cancel", "cancel", commit_id, actor, policy.retention_seconds, policy.tombstone_seconds)

    def retry_dead(self, commit_id: str, *, actor: str | None = None) -> Commit:
        return self._as_person("retry", "retry_dead", commit_id, actor)

    def sweep(self, *, limit: int = 100) -> Sweep:
        reaped, due = self._run("sweep", limit, self._policy.max_claims, self._policy.concurrency)
        return Sweep(reaped=int(reaped), due=int(due))

    def get(self, commit_id: str) -> Commit:
        # Annotated as Any: redis-py types its answers for both settings of decode_responses, ours is off.
        row: Any
        tombstone: Any
        with ledger_errors(self._address):
            row = self._client.hgetall(f"{self._prefix}c:{commit_id}")
            if row:
                return self._commit(commit_id.encode(), [part for pair in row.items() for part in pair])
            tombstone = self._client.hgetall(f"{self._prefix}t:{commit_id}")
        # Redis itself forgets it in time; under a test's clock it cannot know.
        forgotten = self._clock is not None and tombstone and float(tombstone[b"expires_at"]) <= self._clock()
        if not tombstone or forgotten:
            raise UnknownCommitError(f"No commit {commit_id} is known for {self._server_url}.")
        moment = float(tombstone[b"ended_at"])
        state = CommitState(tombstone[b"verdict"].decode())
        return Commit(
            id=commit_id,
            state=state,
            digest=tombstone[b"digest"].decode(),
            server_url=self._server_url,
            facts=CommitFacts(operations=0),
            created_at=moment,
            updated_at=moment,
            committed_at=moment if state is CommitState.COMMITTED else None,
        )

    def payload(self, commit_id: str) -> bytes | None:
        with ledger_errors(self._address):
            stored: Any = self._client.get(f"{self._prefix}p:{commit_id}")
        return None if stored is None else bytes(stored)

    def list(
        self,
        states: Iterable[CommitState] | None = None,
        *,
        limit: int = 50,
        before: tuple[float, str] | None = None,
        words: Sequence[Sequence[str]] = (),
    ) -> Sequence[Commit]:
        wanted = tuple(CommitState if states is None else states)
        moment, last = ("", "") if before is None else (repr(before[0]), before[1])
        facts = [len(wanted), *(state.value for state in wanted)]
        for group in words:
            facts += [len(group), *group]
        found: list[Commit] = []
        while len(found) < limit:
            # In steps: each is one script, which Redis lets nobody interrupt.
            most = min(max(2 * limit, 100), LIST_STEP)
            moment, last, *rows = self._run("list", limit - len(found), moment, last, most, *facts)
            found += [self._listed(*rows[i : i + 3]) for i in range(0, len(rows), 3)]
            if not moment:
                break
        return found

    def words_like(self, pattern: str, *, limit: int = 200) -> Sequence[str] | None:
        start, found = literal_start(pattern), []
        low, high = (f"[{start}".encode(), f"[{start}".encode() + b"\xff") if start else (b"-", b"+")
        with ledger_errors(self._address):
            while True:
                page: Any = self._client.zrangebylex(f"{self._prefix}words", low, high, start=0, num=LIST_STEP)
                texts = [word.decode() for word in page]
                found += [word for word in texts if may_fit(word, pattern, fnmatchcase(word, pattern))]
                if len(found) > limit:
                    return None
                if len(page) < LIST_STEP:
                    return found
                low = b"(" + page[-1]

    def remember_stand_ins(self, stands_for: Mapping[str, str | None]) -> None:
        pairs = [text for entity_id, other in stands_for.items() for text in (entity_id, other or "")]
        self._run("stand_ins", math.ceil(self._policy.tombstone_seconds), *pairs)

    def stand_ins(self, entity_ids: Sequence[str]) -> dict[str, str]:
        if not entity_ids:
            return {}
        with ledger_errors(self._address):
            found: Any = self._client.mget([f"{self._prefix}e:{entity_id}" for entity_id in entity_ids])
        return {
            entity_id: other.decode() for entity_id, other in zip(entity_ids, found, strict=True) if other is not None
        }

    def counts(self) -> dict[CommitState, int]:
        with ledger_errors(self._address):
            pipeline = self._client.pipeline(transaction=False)
            for state in CommitState:
                pipeline.zcard(f"{self._prefix}state:{state.value}")
            return dict(zip(CommitState, (int(number) for number in pipeline.execute()), strict=True))

    def breaker(self) -> Breaker:
        since, kind, reason, probe_at, pause = self._run("breaker")
        return Breaker(
            open_since=_moment(since),
            kind=(kind or b"").decode(),
            error=CommitError.from_json(reason.decode()) if reason else None,
            probe_at=_moment(probe_at),
            paused_until=_moment(pause),
        )

    @property
    def outbox(self) -> RedisOutbox:
        return RedisOutbox(self._client, self._prefix, address=self._address)

    def note_overdue(self, seconds: float, *, limit: int = 100) -> int:
        return int(self._run("overdue", seconds, limit))

    def purge(self, *, limit: int = 1000) -> int:
        return int(self._run("purge", limit))

    def _run(self, name: str, *arguments: str | bytes | float) -> Any:
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = RedisScript(self._client, source(name))
        now = "" if self._clock is None else repr(self._clock())
        with ledger_errors(self._address):
            return script([self._prefix], [now, *arguments])

    def _as_holder(self, name: str, claim: Claim, *arguments: str | bytes | float) -> int:
        return _still_held(claim, self._run(name, claim.commit.id, _fence(claim), *arguments))

    def _as_person(
        self, action: str, script: str, commit_id: str, actor: str | None, *arguments: str | float
    ) -> Commit:
        outcome = self._run(script, commit_id, actor or "", *arguments).decode()
        if outcome in {"ok", "again"}:
            return self.get(commit_id)
        if outcome == "unknown":
            # To the rows; perhaps a tombstone tells how it ended.
            ended = self.get(commit_id)
            if ended.state is {"cancel": CommitState.CANCELLED, "release": CommitState.COMMITTED}.get(action):
                return ended
            outcome = ended.state.value
        raise LedgerError(obstacle(action, commit_id, outcome))

    def _commit(self, commit_id: bytes, flat: Sequence[bytes]) -> Commit:
        return Commit.from_fields(commit_id.decode(), self._server_url, _fields(flat))

    def _listed(self, commit_id: bytes, created_at: bytes, flat: Sequence[bytes]) -> Commit:
        try:
            return self._commit(commit_id, flat)
        except LedgerDataError as error:
            return Commit.unreadable(
                commit_id.decode(), self._server_url, _fields(flat), error, created_at=float(created_at)
            )


def _fields(flat: Sequence[bytes]) -> dict[str, str]:
    # What is no UTF-8 was written by somebody else; what can be read of it is.
    return {flat[i].decode("utf-8", "replace"): flat[i + 1].decode("utf-8", "replace") for i in range(0, len(flat), 2)}


def _fence(claim: Claim) -> str:
    return f"{claim.token} {claim.commit.owner}"


def _still_held(claim: Claim, answer: Any) -> int:
    if not int(answer):
        raise LeaseLostError(f"Commit {claim.commit.id} is no longer held by {claim.commit.owner}.")
    return int(answer)


def _words(commit_id: str, facts: CommitFacts, result: Mapping[str, Any] | None) -> tuple[str, str]:
    words, complete = index_words(commit_id, facts, result)
    return json.dumps(words, ensure_ascii=False), "1" if complete else ""


def _pairs(names: Sequence[bytes]) -> frozenset[tuple[str, str]]:
    texts = [name.decode() for name in names]
    return frozenset(zip(texts[::2], texts[1::2], strict=True))


def _moment(text: bytes | None) -> float | None:
    return None if text is None else float(text)
