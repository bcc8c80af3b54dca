"""A receiver that fails three times hears everything all the same, and no commit waits for it."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.farm.conftest import Farm
from tests.support.processes import wait_until
from tests.support.workers import worker_process
from trackteroid.commits.channels import SIGNATURE_HEADER
from trackteroid.commits.state import CommitState

KEY = "a secret of the studio that is long enough"


class Receiver:
    """Answers 503 three times, and takes a while for it."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.refused = 0
        self.forged = 0

    def take(self, body: bytes, signature: str | None) -> int:
        expected = "sha256=" + hmac.new(KEY.encode(), body, "sha256").hexdigest()
        if signature is None or not hmac.compare_digest(expected, signature):
            self.forged += 1
            return 403
        if self.refused < 3:
            self.refused += 1
            time.sleep(1.0)
            return 503
        self.heard.append(json.loads(body))
        return 204


@contextmanager
def listening(receiver: Receiver) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(receiver.take(body, self.headers[SIGNATURE_HEADER]))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_receiver_that_fails_three_times_hears_each_message_and_delays_no_commit(farm: Farm) -> None:
    """A dead commit and one held for too long; the studio's function hears both at once although the webhook fails."""
    receiver = Receiver()
    hook = farm.folder / "studio.py"
    heard = farm.folder / "heard.txt"
    hook.write_text(
        "def ON_COMMIT_STATE(commit):\n"
        f"    with open({str(heard)!r}, 'a') as file:\n"
        "        file.write(f'{commit.event} {commit.count} {commit.command}\\n')\n"
    )
    taken, overdue = farm.publish("bc0010", "told", version=2), farm.publish("bc0010", "told-late")
    with listening(receiver) as url:
        env = {
            **farm.env,
            "TRACKTEROID_WEBHOOK_URL": url,
            "TRACKTEROID_SIGNING_KEY": KEY,
            "TRACKTEROID_DIGEST_SECONDS": "0.5",
            "TRACKTEROID_OVERDUE_SECONDS": "1",
            "TRACKTEROID_CONFIGURATION": str(hook),
            "NO_PROXY": "127.0.0.1",
        }
        first, second, late = farm.submit([taken, taken, overdue], TRACKTEROID_SIGNING_KEY=KEY)
        farm.render(taken)
        with worker_process(farm.redis.url, farm.sandbox.env, env=env):
            assert farm.release(first, second).returncode == 0
            states = {farm.ended(first).state, farm.ended(second).state}
            assert states == {CommitState.COMMITTED, CommitState.DEAD}, "the same version twice"
            # While the receiver is failing, a commit takes no longer than ever.
            started = time.monotonic()
            good = farm.publish("bc0020", "undelayed")
            farm.render(good)
            (quick,) = farm.submit([good], TRACKTEROID_SIGNING_KEY=KEY)
            assert farm.release(quick).returncode == 0
            farm.committed(quick)
            assert time.monotonic() - started < 20
            wait_until(
                lambda: {message["event"] for message in receiver.heard} >= {"dead", "overdue"},
                seconds=75,
                what="the messages",
            )
    assert (receiver.refused, receiver.forged) == (3, 0)
    dead = next(message for message in receiver.heard if message["event"] == "dead")
    (told,) = dead["commits"]
    assert dead["command"] == f"trackteroid commits retry {told['id']}"
    assert told["context"]["asset"] == "told" and told["user"]
    assert "2" in dead["reason"]
    assert any(late in message["command"] for message in receiver.heard if message["event"] == "overdue")
    lines = heard.read_text().splitlines()
    assert sorted({line.split()[0] for line in lines}) == ["dead", "overdue"]
    assert len([line for line in lines if line.startswith("dead")]) == 1, (
        "the hook is not repeated for the webhook's sake"
    )
    assert farm.ledger.get(late).state is CommitState.HELD
