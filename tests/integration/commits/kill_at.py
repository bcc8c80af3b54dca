"""A warm worker whose forks take a commit and are killed at one step: `python -m tests.integration.commits.kill_at FIFO`.

Reads steps and lengths of leases from the pipe, one pair a line; prints `killed` for each, or what went wrong.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from trackteroid.commits.committer import Committer, CommitterPolicy
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.commits.ledger import Claim
from trackteroid.session import Session
from trackteroid.settings import Settings

#: So long after its request has left a fork is killed whose server is still at it, seconds.
AT_WORK_SECONDS = 0.15


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after_sending() -> None:
    send = http.client.HTTPConnection.send

    def sending(connection: http.client.HTTPConnection, data: Any) -> None:
        send(connection, data)
        threading.Timer(AT_WORK_SECONDS, kill).start()

    http.client.HTTPConnection.send = sending  # type: ignore[method-assign,assignment]


def take_one(step: str, lease_seconds: str, session: Session) -> None:
    if step == "before_claim":
        kill()
    settings = Settings.from_environment({**os.environ, "TRACKTEROID_LEASE_SECONDS": lease_seconds})

    def kill_at(name: str, claim: Claim) -> None:
        if name == step:
            kill()
        if name == "sent" and step in ("at_work", "replying"):
            kill_after_sending()

    ledger = open_ledger(settings, os.environ["FTRACK_SERVER"])
    policy = CommitterPolicy.from_settings(settings)
    print("still alive:", Committer(session, ledger, owner="victim", policy=policy, on_step=kill_at).commit_next())


def main() -> None:
    # Connected before the claim, as a worker's warm session is, so that the lease's time goes to the commit.
    session = Session(auto_connect_event_hub=False)
    _ = session.schemas
    # A fork makes connections of its own.
    session._request.close()
    signal.signal(signal.SIGTERM, _end)
    print("ready", flush=True)
    for line in open(sys.argv[1], encoding="utf-8"):
        child = os.fork()
        if child == 0:
            try:
                take_one(*line.split(), session)
            finally:
                sys.stdout.flush()
                os._exit(1)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else f"not killed: {status}", flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
