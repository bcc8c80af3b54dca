"""A process that takes a commit and kills itself at one step: `python -m tests.integration.commits.kill_at STEP`."""

from __future__ import annotations

import os
import signal
import sys

from trackteroid.commits.committer import Committer, CommitterPolicy
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.commits.ledger import Claim
from trackteroid.session import Session
from trackteroid.settings import Settings


def main(step: str) -> None:
    settings = Settings.from_environment()

    def kill_at(name: str, claim: Claim) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger = open_ledger(settings, os.environ["FTRACK_SERVER"])
    session = Session(auto_connect_event_hub=False)
    # Connected before the claim, as a worker's warm session is, so that the lease's time goes to the commit.
    _ = session.schemas
    outcome = Committer(
        session, ledger, owner="victim", policy=CommitterPolicy.from_settings(settings), on_step=kill_at
    ).commit_next()
    raise SystemExit(f"Still alive: {outcome}")


if __name__ == "__main__":
    main(sys.argv[1])
