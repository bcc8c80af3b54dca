"""Somebody is told, at least once, of what people must know."""

from __future__ import annotations

import hmac
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.clock import FakeClock
from tests.support.redis import fake_redis
from trackteroid import configuration
from trackteroid.commits.channels import SIGNATURE_HEADER, HookChannel, WebhookChannel, channels_of
from trackteroid.commits.commit import CommitError, CommitFacts
from trackteroid.commits.ledger import Doubt, Ledger, LedgerPolicy
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.outbox import CHANNELS
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.telling import LISTED, Message, Teller
from trackteroid.settings import Settings

SERVER = "https://studio.example"
VALIDATION = CommitError(
    kind="permanent", error_class="ValidationError", message='"frame" 7 is no number: record again.'
)
KEY_ROTATED = CommitError(
    kind="environment", error_class="InvalidCredentialsError", message="Give the workers a new key."
)


class Ear:
    """A channel that notes what it is told; `fails` says how many more times it does not work."""

    def __init__(self, name: str = "webhook") -> None:
        self.name = name
        self.seconds = 10.0
        self.heard: list[Message] = []
        self.tried = 0
        self.fails = 0

    def send(self, message: Message) -> None:
        self.tried += 1
        if self.fails:
            self.fails -= 1
            raise OSError("no")
        self.heard.append(message)


class Studio:
    def __init__(self, kind: str) -> None:
        self.clock = FakeClock()
        policy = LedgerPolicy(probe_seconds=0, streak=1000)
        self.ledger: Ledger = (
            MemoryLedger(SERVER, policy=policy, clock=self.clock)
            if kind == "memory"
            else RedisLedger(fake_redis(), SERVER, policy=policy, clock=self.clock)
        )
        self.ear = Ear()
        self.teller = self.make_teller(self.ear)

    def make_teller(self, *ears: Any) -> Teller:
        return Teller(self.ledger, self.ledger.outbox, ears, digest_seconds=300.0, clock=self.clock)

    def enqueue(self, name: str, *, hold: bool = False) -> None:
        context = {"project": "bc", "parents": "bc0010", "asset": "comp"}
        facts = CommitFacts(operations=1, user="anna", context=context, labels={"farm_job": "7"})
        self.ledger.enqueue(name, digest="d", payload=b"x", facts=facts, hold=hold)

    def die(self, *names: str, error: CommitError = VALIDATION) -> None:
        for name in names:
            self.enqueue(name)
            claim = self.ledger.claim("w", lease_seconds=60)
            assert claim is not None
            self.ledger.bury(claim, error=error)

    def tell(self) -> list[Message]:
        """Return what is heard now."""
        before = len(self.ear.heard)
        self.teller.tell()
        return self.ear.heard[before:]


@pytest.fixture(params=["memory", "redis"])
def studio(request: pytest.FixtureRequest) -> Studio:
    return Studio(request.param)


def test_a_dead_commit_is_told_of_once_with_context_reason_and_command(studio: Studio) -> None:
    studio.die("a")
    (message,) = studio.tell()
    assert (message.event, message.count) == ("dead", 1)
    assert message.reason == VALIDATION.message
    assert message.command == "trackteroid commits retry a"
    assert message.context == {"project": "bc", "parents": "bc0010", "asset": "comp"}
    assert message.text == (
        "1 publish of bc / bc0010 / comp by anna cannot be committed (https://studio.example). "
        '"frame" 7 is no number: record again. Repair: trackteroid commits retry a'
    )
    assert message.as_dict()["commits"][0]["labels"] == {"farm_job": "7"}
    studio.clock.advance(1000)
    assert studio.tell() == []


def test_the_first_of_a_cause_is_told_at_once_and_the_others_in_one_message_after_five_minutes(studio: Studio) -> None:
    studio.die("first")
    assert [message.count for message in studio.tell()] == [1]
    studio.die(*(f"c{number:03d}" for number in range(LISTED + 3)))
    other = CommitError(kind="permanent", error_class="PermissionError", message="You may not.")
    studio.die("other", error=other)
    assert [message.reason for message in studio.tell()] == ["You may not."], "another cause does not wait"
    studio.clock.advance(299)
    assert studio.tell() == []
    studio.clock.advance(1)
    (digest,) = studio.tell()
    assert (digest.count, len(digest.commits)) == (LISTED + 3, LISTED)
    assert "3 more: trackteroid commits list --state dead" in digest.command


def test_causes_that_differ_in_ids_and_numbers_are_one(studio: Studio) -> None:
    for number in range(3):
        error = CommitError(
            kind="permanent", error_class="ValidationError", message=f"'name{number}' of {number} is bad."
        )
        studio.die(f"c{number}", error=error)
    assert [message.count for message in studio.tell()] == [3]


def test_a_receiver_that_fails_gets_it_later_and_less_and_less_often(studio: Studio) -> None:
    studio.die("a")
    studio.ear.fails = 3
    pauses = []
    while not studio.ear.heard:
        before, waited = studio.ear.tried, 0
        while studio.ear.tried == before:
            studio.teller.tell()
            studio.clock.advance(1)
            waited += 1
        pauses.append(waited)
    assert pauses == [1, 5, 10, 20]
    assert [message.count for message in studio.ear.heard] == [1]


def test_a_receiver_that_chokes_on_one_message_hears_the_others(studio: Studio) -> None:
    send = studio.ear.send

    def choke(message: Message) -> None:
        if message.reason == VALIDATION.message:
            studio.ear.fails = 1
        send(message)

    studio.ear.send = choke  # type: ignore[method-assign]
    studio.die("odd")
    studio.clock.advance(1)
    for number in range(3):
        error = CommitError(kind="permanent", error_class="PermissionError", message=f"You may not {'abc'[number]}.")
        studio.die(f"c{number}", error=error)
    for _ in range(100):
        studio.teller.tell()
        studio.clock.advance(5)
    assert [message.reason for message in studio.ear.heard] == ["You may not a.", "You may not b.", "You may not c."]
    # It goes on being tried, less and less often.
    assert 5 < studio.ear.tried < 15
    studio.ear.send = send  # type: ignore[method-assign]
    studio.clock.advance(300)
    assert [message.reason for message in studio.tell()] == [VALIDATION.message]


def test_a_receiver_that_is_down_does_not_repeat_what_the_other_one_has_heard(studio: Studio) -> None:
    hook, webhook = Ear("hook"), Ear("webhook")
    webhook.fails = 100
    teller = studio.make_teller(hook, webhook)
    studio.die("a")
    for _ in range(100):
        teller.tell()
        studio.clock.advance(10)
    assert (len(hook.heard), len(webhook.heard)) == (1, 0)


def test_what_was_repaired_meanwhile_is_not_told(studio: Studio) -> None:
    studio.die("first")
    studio.tell()
    studio.die("a", "b")
    studio.ledger.retry_dead("a")
    studio.clock.advance(300)
    assert [[commit.id for commit in message.commits] for message in studio.tell()] == [["b"]]


def test_the_breaker_is_told_of_when_it_opens_and_when_it_closes(studio: Studio) -> None:
    studio.enqueue("a")
    claim = studio.ledger.claim("w", lease_seconds=60)
    assert claim is not None
    assert studio.ledger.retry(claim, delay=0, error=KEY_ROTATED, doubt=Doubt.NONE)
    (opened,) = studio.tell()
    assert (opened.event, opened.reason, opened.command) == (
        "breaker_open",
        "Give the workers a new key.",
        "trackteroid doctor",
    )
    claim = studio.ledger.claim("w", lease_seconds=60)
    assert claim is not None
    assert studio.ledger.complete(claim, result={})
    (closed,) = studio.tell()
    assert (closed.event, closed.command) == ("breaker_closed", "")
    assert "Give the workers a new key." in closed.text


def test_what_is_held_for_too_long_is_told_of_once_and_kept(studio: Studio) -> None:
    for number in range(5):
        studio.enqueue(f"old{number}", hold=True)
    studio.clock.advance(100)
    studio.enqueue("young", hold=True)
    # A limit that cuts between commits of the same moment loses none.
    assert studio.ledger.note_overdue(100.0, limit=2) == 5
    assert studio.ledger.note_overdue(100.0, limit=2) == 0
    (message,) = studio.tell()
    assert (message.event, message.count) == ("overdue", 5)
    assert "trackteroid release old0" in message.command and "commits cancel old0" in message.command
    assert studio.ledger.get("old0").state.value == "held"
    studio.clock.advance(100)
    assert studio.ledger.note_overdue(100.0) == 1
    studio.clock.advance(300)
    assert [message.count for message in studio.tell()] == [1]


def test_a_released_commit_is_not_overdue(studio: Studio) -> None:
    studio.enqueue("a", hold=True)
    studio.ledger.release("a")
    studio.clock.advance(1e6)
    assert studio.ledger.note_overdue(100.0) == 0


def test_two_workers_never_tell_the_same_thing_at_once(studio: Studio) -> None:
    studio.die("a")
    inner: list[int] = []

    class Nosy(Ear):
        def send(self, message: Message) -> None:
            # Another worker looks while this one is sending.
            inner.append(studio.make_teller(Ear()).tell())

    studio.make_teller(Nosy()).tell()
    assert inner == [0]


def test_a_worker_without_the_channel_leaves_it_to_others_but_nothing_piles_up(studio: Studio) -> None:
    studio.die("a")
    studio.make_teller().tell()
    assert [message.count for message in studio.tell()] == [1], "another worker has it"
    studio.clock.advance(90_000)
    studio.make_teller().tell()
    outbox = studio.ledger.outbox
    assert [outbox.notices(name) for name in CHANNELS] == [[], []]


def test_a_broken_configuration_file_does_not_silence_the_webhook(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(configuration.VARIABLE, "/nowhere/studio.py")
    configuration.forget()
    try:
        names = [channel.name for channel in channels_of(Settings(webhook_url="http://chat.example/"))]
    finally:
        configuration.forget()
    assert names == ["webhook"]
    assert "/nowhere/studio.py" in caplog.text


def test_a_hook_that_hangs_or_raises_counts_as_not_told() -> None:
    message = Message(id="m", event="breaker_closed", server_url=SERVER, at=0.0, count=1, reason="")
    end = threading.Event()
    hanging = HookChannel(lambda _: end.wait(30), seconds=0.01)
    with pytest.raises(TimeoutError, match="not returned within"):
        hanging.send(message)
    with pytest.raises(TimeoutError, match="still not returned"):
        hanging.send(message)
    end.set()

    def broken(_: object) -> None:
        raise KeyError("studio")

    with pytest.raises(KeyError):
        HookChannel(broken).send(message)
    with pytest.raises(RuntimeError, match="SystemExit"):
        HookChannel(sys.exit).send(message)  # type: ignore[arg-type]


@contextmanager
def receiver(answer: Callable[[], int]) -> Iterator[tuple[str, list[tuple[bytes, str | None]]]]:
    heard: list[tuple[bytes, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((body, self.headers[SIGNATURE_HEADER]))
            self.send_response(answer())
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?secret", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_gets_signed_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    key = "a key of sixteen letters or more"
    with receiver(lambda: 204) as (url, heard):
        WebhookChannel(url, key=key).send(
            Message(id="m", event="dead", server_url=SERVER, at=0.0, count=2, reason="Grün, b\udce4r")
        )
    ((body, signature),) = heard
    assert json.loads(body)["reason"] == "Grün, b?r"
    assert signature == "sha256=" + hmac.new(key.encode(), body, "sha256").hexdigest()


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_no_success_counts_as_not_told(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with receiver(lambda: status) as (url, heard):
        with pytest.raises(OSError, match=f"answers {status}") as caught:
            WebhookChannel(url).send(Message(id="m", event="dead", server_url=SERVER, at=0.0, count=2, reason=""))
    assert len(heard) == 1
    assert "secret" not in str(caught.value)


def test_what_is_no_web_server_counts_as_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"+PONG\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match="not answer as a web server"):
            WebhookChannel(f"http://127.0.0.1:{listener.getsockname()[1]}/secret").send(
                Message(id="m", event="dead", server_url=SERVER, at=0.0, count=2, reason="")
            )
        thread.join()


def test_a_receiver_that_drips_takes_no_longer_than_a_channel_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    end = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 204 No Content\r\n")
                for _ in range(100):
                    if end.wait(0.02):
                        break
                    connection.sendall(b"X-Drop: 1\r\n")
                connection.sendall(b"\r\n")

        thread = threading.Thread(target=drip)
        thread.start()
        channel = WebhookChannel(f"http://127.0.0.1:{listener.getsockname()[1]}/", seconds=0.2)
        message = Message(id="m", event="dead", server_url=SERVER, at=0.0, count=2, reason="")
        with pytest.raises(TimeoutError, match="webhook has not returned within"):
            channel.send(message)
        with pytest.raises(TimeoutError, match="still not returned"):
            channel.send(message)
        end.set()
        thread.join()
        running = channel._apart._running
        assert running is not None
        running.join(30)


def test_channels_are_those_that_are_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(configuration.DEFAULTS, "ON_COMMIT_STATE", print)
    configuration.forget()
    try:
        names = [channel.name for channel in channels_of(Settings(webhook_url="http://chat.example/"))]
    finally:
        configuration.forget()
    assert names == list(CHANNELS)


def test_the_address_of_a_webhook_is_checked_and_never_shown() -> None:
    assert "secret" not in repr(Settings(webhook_url="http://chat.example/secret"))
