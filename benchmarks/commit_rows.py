"""Rows about the queue: a ledger that holds much, and a warm worker."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial

import ftrack_api

from benchmarks.measure import Row, least, middle_pair, seconds
from benchmarks.sandbox_process import RunningSandbox, running_sandbox
from trackteroid.commits.commit import CommitError, CommitFacts
from trackteroid.commits.committer import Committer, CommitterPolicy
from trackteroid.commits.filtering import CommitFilter, select
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.order import Order
from trackteroid.commits.payload import compress
from trackteroid.commits.redis_client import connect
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.server import WarmServer
from trackteroid.commits.state import CommitState
from trackteroid.commits.submission import submit
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.manifest import Manifest
from trackteroid.operations.operation import CreateOperation
from trackteroid.operations.recording import Recording, digest_of
from trackteroid.session import Session

__all__ = ["commit_rows"]

MUCH, LITTLE = 100_000, 100
PUBLISHES = 200

_DEAD = CommitError(kind="permanent", error_class="ValidationError", message="The name is taken.")


def commit_rows() -> Iterator[Row]:
    """Measure them; needs the environment of a sandbox, and starts a Redis of its own."""
    with EmbeddedRedis(use_environment=False, appendonly=False) as redis:
        yield from _ledger_rows(redis)
    with EmbeddedRedis(use_environment=False) as redis:
        yield _worker_row(redis, "worker, small publishes, warm", assets=PUBLISHES)
        yield _worker_row(redis, "worker, all of one asset, warm", assets=1)


def _ledger_rows(redis: EmbeddedRedis) -> Iterator[Row]:
    """What one step takes in a full ledger and in a nearly empty one, in turns."""
    # Of one length: the server's URL is part of every key.
    full, empty = (
        RedisLedger(connect(redis.url, timeout=30), f"https://{name}.example", address=redis.url)
        for name in ("much", "less")
    )
    _fill(full, MUCH)
    _fill(empty, LITTLE)
    steps: dict[str, Callable[[Ledger], None]] = {
        "enqueue and claim": _enqueue_and_claim,
        "sweep": lambda ledger: [ledger.sweep() for _ in range(100)] and None,
        "list a page of one state": lambda ledger: [_list(ledger) for _ in range(20)] and None,
        "list what a user recorded": lambda ledger: [_list_user(ledger) for _ in range(20)] and None,
    }
    for name, step in steps.items():
        step(full), step(empty)
        ours, theirs = least((partial(step, full), partial(step, empty)), runs=9)
        yield Row(f"{name}, {MUCH:,} commits", f"with {LITTLE}", ours, theirs, 1.5)


def _fill(ledger: RedisLedger, count: int) -> None:
    """Half committed, some dead, the rest held: what a studio's ledger looks like."""
    for number in range(count):
        commit_id = str(uuid.uuid4())
        _enqueue(ledger, commit_id, user=f"user{number % 200}", hold=number % 10 >= 6)
        if number % 10 < 6:
            claim = ledger.claim("bench", lease_seconds=60)
            assert claim is not None
            if number % 100 == 0:
                ledger.bury(claim, error=_DEAD)
            else:
                ledger.complete(claim, result={"versions": {}})
    # The same in both: what is looked for.
    for _ in range(20):
        _enqueue(ledger, str(uuid.uuid4()), user="wanted", hold=True)


def _enqueue(ledger: Ledger, commit_id: str, *, user: str, hold: bool = False) -> None:
    facts = CommitFacts(
        operations=4,
        user=f"{user}@studio.example",
        host="node7",
        application="nuke",
        context={"project": "bigchase", "parents": "sq010, sh0040", "asset": "sh0040_comp", "task": "compositing"},
        labels={"farm_job": commit_id[:8]},
    )
    order = Order(created=(commit_id,), needed=(f"asset-{commit_id[:3]}",), assets=(f"asset-{commit_id[:3]}",))
    ledger.enqueue(commit_id, digest="d" * 64, payload=b"x" * 600, facts=facts, hold=hold, order=order)


def _enqueue_and_claim(ledger: Ledger) -> None:
    for _ in range(50):
        _enqueue(ledger, str(uuid.uuid4()), user="bench")
        claim = ledger.claim("bench", lease_seconds=60)
        assert claim is not None
        ledger.complete(claim, result={})


def _list(ledger: Ledger) -> None:
    assert len(ledger.list([CommitState.HELD], limit=20)) == 20


def _list_user(ledger: Ledger) -> None:
    wanted = CommitFilter(user="wanted", states=(CommitState.HELD,))
    assert len(list(select(ledger, wanted, now=time.time()))) == 20


def _worker_row(redis: EmbeddedRedis, what: str, *, assets: int) -> Row:
    """Small publishes through a warm worker against the same batches sent one after the other.

    Of as many assets as there are publishes, as from the shots of a farm; or all of one, where each waits for the one before it
    for the sake of their versions' numbers.

    The server has a process of its own: in this one it would hold the interpreter's lock whenever a worker waits for Redis.
    """
    with (
        running_sandbox("demo") as sandbox,
        Session(*_access(sandbox)) as session,
        ftrack_api.Session(*_access(sandbox), auto_populate=False) as client,
    ):
        asset = session.query("select id, context_id, type_id, versions.task_id from Asset").first()
        task_id = asset["versions"][0]["task_id"]
        place = {"context_id": asset["context_id"], "type_id": asset["type_id"]}
        creates = [_create("Asset", id=str(uuid.uuid4()), name=f"asset {number}", **place) for number in range(assets)]
        session.exchange([_on_the_wire(operation) for operation in creates])
        asset_ids = [creates[number % assets].entity_key["id"] for number in range(PUBLISHES)]
        ledger = RedisLedger(connect(redis.url), session.server_url, address=redis.url)
        committer = Committer(WarmServer(lambda: session), ledger, policy=CommitterPolicy())

        def theirs() -> None:
            for asset_id in asset_ids:
                client.call([_on_the_wire(operation) for operation in _publish(asset_id, task_id)])

        def fill() -> None:
            for asset_id in asset_ids:
                operations = _publish(asset_id, task_id)
                manifest = Manifest(
                    recording_id=str(uuid.uuid4()),
                    digest=digest_of(operations),
                    created_at="2026-01-01T00:00:00+00:00",
                    user="anna",
                    server_url=session.server_url,
                )
                recording = Recording(operations=operations, entities={}, manifest=manifest)
                submit(ledger, recording, compress(recording.to_payload(), limit=10**6))

        def ours() -> float:
            fill()
            started = time.perf_counter()
            outcomes = committer.drain(limit=PUBLISHES, seconds=600)
            spent = time.perf_counter() - started
            assert len(outcomes) == PUBLISHES
            assert all(outcome.state is CommitState.COMMITTED for outcome in outcomes)
            return spent

        ours()
        theirs()
        # Nine pairs: a pair's ratio differs by 0.15 from run to run, because the server shares the machine with both.
        mine, loop = middle_pair([(ours(), seconds(theirs, repeats=1)) for _ in range(9)])
    # The goal of 0.7 is of the rate; the table's ratio is of times.
    return Row(what, "loop of session.call(batch)", mine, loop, 1 / 0.7)


def _access(sandbox: RunningSandbox) -> tuple[str, str, str]:
    return sandbox.env["FTRACK_SERVER"], sandbox.env["FTRACK_API_KEY"], sandbox.env["FTRACK_API_USER"]


def _publish(asset_id: str, task_id: str) -> tuple[CreateOperation, ...]:
    version, component = str(uuid.uuid4()), str(uuid.uuid4())
    return (
        _create("AssetVersion", id=version, asset_id=asset_id, task_id=task_id, comment="from a benchmark"),
        _create("Component", id=component, name="main", version_id=version),
    )


def _create(entity_type: str, **data: str) -> CreateOperation:
    return CreateOperation(entity_type=entity_type, entity_key={"id": data["id"]}, entity_data=data)


def _on_the_wire(operation: CreateOperation) -> dict[str, object]:
    return {
        "action": "create",
        "entity_type": operation.entity_type,
        "entity_key": list(operation.entity_key.values()),
        "entity_data": {"__entity_type__": operation.entity_type, **operation.entity_data},
    }
