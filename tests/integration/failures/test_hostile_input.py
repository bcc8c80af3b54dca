"""Whoever can write files, or to Redis, harms neither the workers nor other people's commits."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.commits.conftest import Witness
from tests.support.processes import run_python, wait_until
from tests.support.recordings import create, recorded, update
from tests.support.sandbox import SandboxProcess
from tests.support.workers import worker_process
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.enqueueing import enqueue, flush_spool
from trackteroid.commits.payload import compress
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.signing import seal
from trackteroid.commits.state import CommitState
from trackteroid.commits.submission import facts_of
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import Recording, write_recording
from trackteroid.settings import Settings

KEY = "a secret of this studio"
LIMIT = 2**20

RULES = """
def ALLOWED_FOR_COMMIT_RESOLVER(recording, operation):
    return operation.entity_type != "User"
"""


def stored(recording: Recording, url: str, *, key: str = KEY) -> bytes:
    payload = compress(recording.to_payload(), limit=LIMIT)
    return seal(payload, keys=(key,) if key else (), commit_id=recording.recording_id, server_url=url)


def tampered(recording: Recording, url: str) -> bytes:
    """As somebody does who changes a stored recording in Redis and knows how it is made, but not the key."""
    sealed = stored(recording, url)
    head = len(sealed) - len(compress(recording.to_payload(), limit=LIMIT))
    other = recording.to_payload().replace(b"from a test", b"from me :-)")
    return sealed[:head] + zlib.compress(other)


def bomb(recording: Recording, url: str) -> bytes:
    """Signed, as a submitter that was taken over could: a few kilobytes that grow to a hundred megabytes."""
    worker = zlib.compressobj(9)
    packed = b"".join(worker.compress(bytes(2**20)) for _ in range(100)) + worker.flush()
    return seal(packed, keys=(KEY,), commit_id=recording.recording_id, server_url=url)


def nested(recording: Recording, url: str) -> bytes:
    packed = zlib.compress(b'{"operations": ' + b"[" * 5000 + b"]" * 5000 + b"}")
    return seal(packed, keys=(KEY,), commit_id=recording.recording_id, server_url=url)


def another_digest(recording: Recording, url: str) -> bytes:
    """Operations that its manifest does not know of."""
    data = json.loads(recording.to_payload())
    data["operations"] = data["operations"][:1]
    packed = zlib.compress(json.dumps(data).encode())
    return seal(packed, keys=(KEY,), commit_id=recording.recording_id, server_url=url)


def of_another_server(recording: Recording, url: str) -> bytes:
    assert recording.manifest is not None
    manifest = dataclasses.replace(recording.manifest, server_url="https://other.example")
    return stored(dataclasses.replace(recording, manifest=manifest), url)


#: What is put where the ledger keeps the recording, and words of the reason that stands there afterwards.
HOSTILE: dict[str, tuple[Callable[[Recording, str], bytes], str]] = {
    "tampered with": (tampered, "it was changed after it was signed"),
    "not signed": (lambda recording, url: stored(recording, url, key=""), "The recording is not signed"),
    "signed with another key": (lambda recording, url: stored(recording, url, key="x" * 20), "signature is wrong"),
    "signed for another server": (lambda recording, url: stored(recording, "https://o.example"), "signature is wrong"),
    "recorded for another server": (of_another_server, "recorded for https://other.example"),
    "a bomb": (bomb, "grows beyond"),
    "deeply nested": (nested, "cannot be read"),
    "operations exchanged": (another_digest, "do not match the digest"),
    "no recording": (lambda recording, url: b"\x80\x04\x95 a pickle", "not signed"),
}


def test_each_hostile_recording_is_dead_with_its_reason_and_the_others_are_committed(
    redis_server: EmbeddedRedis,
    sandbox: SandboxProcess,
    ledger: RedisLedger,
    settings: Settings,
    witness: Witness,
    tmp_path: Path,
) -> None:
    rules = tmp_path / "rules.py"
    rules.write_text(RULES)
    env = {
        "TRACKTEROID_SIGNING_KEY": KEY,
        "TRACKTEROID_CONFIGURATION": str(rules),
        "TRACKTEROID_PAYLOAD_LIMIT": str(LIMIT),
    }
    signing = dataclasses.replace(settings, signing_keys=(KEY,), payload_limit=LIMIT)
    reasons: dict[str, str] = {}
    good = [witness.publish()]
    enqueue(good[0], ledger=ledger, settings=signing, wake=False)
    for make, reason in HOSTILE.values():
        victim = witness.publish()
        ledger.enqueue(
            victim.recording_id, digest=victim.digest, payload=make(victim, ledger.server_url), facts=facts_of(victim)
        )
        reasons[victim.recording_id] = reason
    own = {"recording_id": str(uuid4()), "server_url": ledger.server_url}
    for forbidden, reason in (
        (recorded(create("User", str(uuid4()), username="me"), **own), "does not allow operation 1 of 1: create User"),
        (
            recorded(create("Nonsense", str(uuid4())), **{**own, "recording_id": str(uuid4())}),
            "does not know the type Nonsense",
        ),
        (
            recorded(update("Task", witness.task["id"], "__class__", 1), **{**own, "recording_id": str(uuid4())}),
            "does not know the attribute Task.__class__",
        ),
    ):
        enqueue(forbidden, ledger=ledger, settings=signing, wake=False)
        reasons[forbidden.recording_id] = reason
    # Facts that a search for people's words has to bear.
    odd = witness.publish()
    ledger.enqueue(
        odd.recording_id,
        digest=odd.digest,
        payload=b"",
        facts=CommitFacts(
            operations=-1, user="\x00" * 10, host="x" * 10_000, context={"project": {"a": [1]}}, labels={"": ""}
        ),
    )
    reasons[odd.recording_id] = "not signed"
    good.append(witness.publish())
    enqueue(good[1], ledger=ledger, settings=signing, wake=False)
    with worker_process(redis_server.url, sandbox.env, env=env) as worker:
        wait_until(
            lambda: ledger.counts()[CommitState.DEAD] + ledger.counts()[CommitState.COMMITTED] == len(reasons) + 2,
            seconds=60,
            what="all verdicts",
        )
        assert worker.running
        assert "Traceback" not in worker.output, worker.output
        worker.kill_group()
    for commit_id, reason in reasons.items():
        commit = ledger.get(commit_id)
        assert commit.state is CommitState.DEAD
        assert commit.attempts == 1
        assert commit.error is not None and reason in commit.error.message
    for recording in good:
        witness.assert_published_once(recording)
    assert ledger.breaker().open_since is None
    assert witness.rows('select id from User where username is "me"') == []


#: A farm node's process that may not have a gigabyte.
WITH_LITTLE_MEMORY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
from trackteroid.cli.main import main
sys.exit(main(["enqueue", *{files!r}]))
"""


def claims_two_gibibytes(path: Path) -> None:
    """A GNU dbm file of a kilobyte: its header asks for a directory and buckets of two gibibytes."""
    header = struct.pack("<Iiiiiii", 0x13579ACE, 2**31 - 1, 64, 2**31 - 8, 20, 2**31 - 1, 2**26)
    path.write_bytes(header.ljust(1024, b"\0"))


def has_a_view(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE VIEW Dict AS SELECT x'6b' AS key, zeroblob(2147483647) AS value")
    database.close()


def looks_on_for_ever(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE VIEW Dict AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT CAST(i AS BLOB) AS key, x'00' AS value FROM n"
        )
    database.close()


def is_cut(path: Path) -> None:
    write_recording(path, recorded(create("Task", "t1", name="x" * 5000)))
    path.write_bytes(path.read_bytes()[:-3000])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (claims_two_gibibytes, "cannot be read as a recording"),
        (has_a_view, "without the table Dict"),
        (looks_on_for_ever, "without the table Dict"),
        (is_cut, "cannot be read as a recording"),
    ],
)
def test_a_hostile_file_is_refused_by_name_and_the_others_are_enqueued(
    make: Callable[[Path], None],
    reason: str,
    redis_server: EmbeddedRedis,
    ledger: RedisLedger,
    tmp_path: Path,
) -> None:
    bad, good = tmp_path / "bad.dbm", tmp_path / "good.dbm"
    make(bad)
    write_recording(good, recorded(create("Task", "t1"), recording_id="good", server_url=ledger.server_url))
    started = time.monotonic()
    env = {"TRACKTEROID_REDIS_URL": redis_server.url, "TRACKTEROID_SPOOL": str(tmp_path / "spool")}
    done = run_python(WITH_LITTLE_MEMORY.format(files=[str(bad), str(good)]), env=env, check=False)
    assert time.monotonic() - started < 20
    assert done.returncode == ExitCode.BAD_DATA
    assert done.stdout.split() == ["good"]
    # On a machine under load the good one may be in the spool, with a line that says so.
    (line,) = (line for line in done.stderr.splitlines() if str(bad) in line)
    assert reason in line
    spool = Settings(redis_url=redis_server.url, spool_folder=str(tmp_path / "spool"))
    wait_until(lambda: not flush_spool(spool).left, what="an empty spool")
    assert [commit.id for commit in ledger.list()] == ["good"]
