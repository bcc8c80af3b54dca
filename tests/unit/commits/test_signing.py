"""Only who knows the key gives work to workers that have one."""

from __future__ import annotations

import hashlib
import hmac
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.canned_server import SERVER_URL, CannedServer
from tests.support.clock import FakeClock
from tests.support.recordings import create, recorded
from tests.unit.commits.test_committer import POLICY
from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.committer import Committer, CommitterPolicy, Outcome
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.flushing import flush
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.payload import compress
from trackteroid.commits.signing import SIGNATURE_BYTES, seal, sign, unseal, unseal_checked, verify
from trackteroid.commits.spool import Spool, SpooledRecording
from trackteroid.commits.state import CommitState
from trackteroid.errors import SettingsError, SignatureRefusedError
from trackteroid.settings import Settings

KEY = "0123456789abcdef-secret"
OTHER = "another-key-of-the-studio"
PUBLISH = recorded(create("AssetVersion", "v1"))
WHERE: dict[str, Any] = {"commit_id": "rec-1", "server_url": SERVER_URL}


class Stage:
    def __init__(self, *worker_keys: str) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(SERVER_URL, clock=self.clock)
        self.server = CannedServer({})
        policy = replace(POLICY, signing_keys=worker_keys)
        self.committer = Committer(self.server, self.ledger, owner="w", policy=policy, monotonic=self.clock)

    def enqueue(self, *client_keys: str) -> None:
        enqueue(PUBLISH, ledger=self.ledger, settings=Settings(signing_keys=client_keys), wake=False)

    def put(self, payload: bytes, commit_id: str = "rec-1") -> None:
        """As somebody does who can write to Redis."""
        self.ledger.enqueue(commit_id, digest="d", payload=payload, facts=CommitFacts(operations=1))

    def attempt(self) -> Outcome:
        outcome = self.committer.commit_next()
        assert outcome is not None
        return outcome

    def refused(self, *words: str) -> None:
        outcome = self.attempt()
        assert outcome.state is CommitState.DEAD
        commit = self.ledger.get(outcome.commit_id)
        assert commit.error is not None
        assert commit.error.error_class == "SignatureRefusedError"
        for word in words:
            assert word in commit.error.message
        assert KEY not in commit.error.message
        assert self.server.effects == []


def sealed(key: str = KEY, **where: str) -> bytes:
    return seal(compress(PUBLISH.to_payload(), limit=10**6), keys=(key,), **{**WHERE, **where})


def test_a_signed_recording_is_committed() -> None:
    stage = Stage(KEY)
    stage.enqueue(KEY)
    assert stage.attempt().state is CommitState.COMMITTED
    assert len(stage.server.effects) == 1


def test_workers_without_a_key_commit_signed_and_unsigned_ones() -> None:
    for keys in ((), (KEY,)):
        stage = Stage()
        stage.enqueue(*keys)
        assert stage.attempt().state is CommitState.COMMITTED


def test_an_unsigned_recording_is_dead_with_its_reason() -> None:
    stage = Stage(KEY)
    stage.enqueue()
    stage.refused("not signed", "TRACKTEROID_SIGNING_KEY")


def test_a_recording_signed_with_another_key_is_dead() -> None:
    stage = Stage(KEY)
    stage.enqueue(OTHER)
    stage.refused("wrong")


def test_while_keys_are_changed_the_old_one_is_still_good() -> None:
    stage = Stage(OTHER, KEY)
    stage.enqueue(KEY)
    assert stage.attempt().state is CommitState.COMMITTED
    stage = Stage(OTHER)
    stage.enqueue(OTHER, KEY)
    assert stage.attempt().state is CommitState.COMMITTED


@pytest.mark.parametrize("position", [0, 5, SIGNATURE_BYTES - 1, SIGNATURE_BYTES, SIGNATURE_BYTES + 40, -1])
def test_a_recording_with_one_changed_byte_is_dead(position: int) -> None:
    stage = Stage(KEY)
    data = bytearray(sealed())
    data[position] ^= 1
    stage.put(bytes(data))
    stage.refused()


@pytest.mark.parametrize("data", [b"", sealed()[:10], sealed()[:SIGNATURE_BYTES], sealed()[: SIGNATURE_BYTES - 1]])
def test_a_cut_recording_is_dead(data: bytes) -> None:
    stage = Stage(KEY)
    stage.put(data)
    stage.refused()


def test_a_signed_recording_cannot_be_used_under_another_id_or_for_another_server() -> None:
    stage = Stage(KEY)
    stage.put(sealed(), commit_id="rec-2")
    stage.refused("wrong")
    stage = Stage(KEY)
    stage.put(sealed(server_url="https://other.example"))
    stage.refused("wrong")


def test_a_signature_is_checked_before_anything_is_decompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> bytes:
        raise AssertionError("decompressed")

    monkeypatch.setattr("trackteroid.commits.attempt.decompress", never)
    stage = Stage(KEY)
    stage.put(sealed(OTHER))
    stage.refused("wrong")


def test_a_signature_passes_through_the_spool_of_a_node_without_the_key(tmp_path: Path) -> None:
    stage = Stage(KEY)
    spool = Spool(tmp_path)
    spool.accept(
        SpooledRecording(
            commit_id="rec-1", digest=PUBLISH.digest, server_url=SERVER_URL, redis_url="r", payload=sealed()
        )
    )
    assert flush(spool, lambda url: stage.ledger, redis_url=None, payload_limit=10**6).delivered == 1
    assert stage.attempt().state is CommitState.COMMITTED


def test_a_key_that_was_changed_on_one_side_only_kills_nothing() -> None:
    stage = Stage(OTHER)
    for number in range(30):
        recording = recorded(create("AssetVersion", f"v{number}"), recording_id=f"rec-{number}")
        enqueue(recording, ledger=stage.ledger, settings=Settings(signing_keys=(KEY,)), wake=False)
    for _ in range(5):
        stage.committer.drain(limit=100, seconds=1e9)
        stage.clock.advance(60.0)
    assert stage.ledger.counts()[CommitState.DEAD] == 0
    assert "signature" in stage.ledger.breaker().reason
    # The workers are started anew, with the key.
    policy = CommitterPolicy(signing_keys=(KEY, OTHER))
    committer = Committer(
        CannedServer(), stage.ledger, owner="w2", policy=policy, random=lambda: 0.0, monotonic=stage.clock
    )
    for _ in range(5):
        committer.drain(limit=100, seconds=1e9)
        stage.clock.advance(60.0)
    assert stage.ledger.counts()[CommitState.COMMITTED] == 30


def test_the_signature_is_hmac_sha256_over_all_parts_with_their_lengths() -> None:
    parts = [b"trackteroid-signed-1\n", b"rec-1", SERVER_URL.encode(), b"payload"]
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    expected = hmac.new(KEY.encode(), message, hashlib.sha256).digest()
    assert sign(b"payload", key=KEY, **WHERE) == expected
    assert verify(b"payload", expected, keys=[OTHER, KEY], **WHERE)
    assert not verify(b"payload", expected, keys=[], **WHERE)
    assert not verify(b"payloae", expected, keys=[KEY], **WHERE)


def test_what_is_not_signed_is_left_as_it_is() -> None:
    assert seal(b"x", keys=(), **WHERE) == b"x"
    assert unseal(b"x") == (b"x", None)
    assert unseal_checked(b"x", keys=(), **WHERE) == b"x"
    with pytest.raises(SignatureRefusedError):
        unseal_checked(b"x", keys=(KEY,), **WHERE)


def test_the_key_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = Settings.from_environment({"TRACKTEROID_SIGNING_KEY": f"{KEY}, {OTHER}"})
    assert settings.signing_keys == (KEY, OTHER)
    policy = CommitterPolicy.from_settings(settings)
    assert policy.signing_keys == (KEY, OTHER)
    stage = Stage(KEY)
    stage.enqueue(OTHER)
    stage.attempt()
    for text in (repr(settings), repr(policy), caplog.text):
        assert KEY not in text
        assert OTHER not in text
    with pytest.raises(SettingsError, match="TRACKTEROID_SIGNING_KEY") as caught:
        Settings.from_environment({"TRACKTEROID_SIGNING_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)
