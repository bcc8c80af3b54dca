"""A warm worker whose forks take a commit and end, or stand still, at a step: `python -m tests.integration.commits.kill_at FIFO`.

Reads from the pipe, one line each, what to do (`kill` or `stop`), the step and the length of the lease. Prints `killed`, or what
went wrong. Who is stopped prints `stopped`; after a line `continue` it goes on and says what it made of the commit, then `ended`.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from trackteroid.commits.claim import Claim
from trackteroid.commits.committer import Committer, CommitterPolicy
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.session import Session
from trackteroid.settings import Settings

#: So long after its request has left a fork is killed whose server is still at it, seconds.
AT_WORK_SECONDS = 0.15


SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def after_sending(halt: Callable[[], None]) -> None:
    send = http.client.HTTPConnection.send

    def sending(connection: http.client.HTTPConnection, data: Any) -> None:
        http.client.HTTPConnection.send = send  # type: ignore[method-assign]
        send(connection, data)
        threading.Timer(AT_WORK_SECONDS, halt).start()

    http.client.HTTPConnection.send = sending  # type: ignore[method-assign,assignment]


def take_one(how: str, step: str, lease_seconds: str, session: Session) -> None:
    def halt() -> None:
        os.kill(os.getpid(), SIGNALS[how])

    if step == "before_claim":
        halt()
    settings = Settings.from_environment({**os.environ, "TRACKTEROID_LEASE_SECONDS": lease_seconds})

    def halt_at(name: str, claim: Claim) -> None:
        if name == step:
            halt()
        if name == "sent" and step in ("at_work", "replying"):
            after_sending(halt)

    ledger = open_ledger(settings, os.environ["FTRACK_SERVER"])
    policy = CommitterPolicy.from_settings(settings)
    print("still alive:", Committer(session, ledger, owner="victim", policy=policy, on_step=halt_at).commit_next())


def main() -> None:
    # Connected before the claim, as a worker's warm session is, so that the lease's time goes to the commit.
    session = Session(auto_connect_event_hub=False)
    _ = session.schemas
    # A fork makes connections of its own.
    session._request.close()
    signal.signal(signal.SIGTERM, _end)
    print("ready", flush=True)
    pipe = open(sys.argv[1], encoding="utf-8")
    while line := pipe.readline():
        child = os.fork()
        if child == 0:
            try:
                take_one(*line.split(), session)
            finally:
                sys.stdout.flush()
                os._exit(1)
        _, status = os.waitpid(child, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            print("stopped", flush=True)
            _ = pipe.readline()
            os.kill(child, signal.SIGCONT)
            os.waitpid(child, 0)
            print("ended", flush=True)
            continue
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else f"not killed: {status}", flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
