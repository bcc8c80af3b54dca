"""A submitter's process: `python -m tests.chaos.client ORDER.json`. Enqueues its publishes and keeps a record of its own.

The record is the evidence: what was to be enqueued, when, and where it was accepted; one JSON object a line, flushed to disk
before the next step. A client that is killed goes on where its record ends when it is started again; what is in doubt it enqueues
again.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.plan import publishes, recording_of
from trackteroid.commits.enqueueing import enqueue, flush_spool
from trackteroid.settings import Settings


class Record:
    """The lines of one client, in the order of what happened."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> list[dict[str, Any]]:
        """Return what is there; a last line that was cut by a kill is none."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._whole().splitlines()]

    def mend(self) -> None:
        """Cut off a last line that a killed predecessor left unfinished."""
        if self._path.exists():
            os.truncate(self._path, len(self._whole()))

    def note(self, **facts: Any) -> None:
        """Add a line; it is on disk when this returns."""
        # The monotonic clock is the machine's, hence the same one for all clients.
        with self._path.open("ab") as file:
            file.write(json.dumps({"at": time.monotonic(), **facts}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _whole(self) -> bytes:
        data = self._path.read_bytes()
        return data[: data.rfind(b"\n") + 1]


def main(order: Path) -> None:
    given = json.loads(order.read_text())
    record = Record(Path(given["record"]))
    record.mend()
    settings = Settings.from_environment()
    accepted = {line["id"] for line in record.lines() if line.get("step") == "accepted"}
    chance = random.Random()
    for publish in publishes(*given["plan"], **given["options"]):
        if publish.recording_id in accepted:
            continue
        time.sleep(publish.pause)
        recording = recording_of(publish, **given["places"])
        record.note(step="begins", id=publish.recording_id, publish=asdict(publish))
        result = enqueue(recording, settings=settings, wake=publish.wake)
        record.note(step="accepted", id=publish.recording_id, where=result.accepted_in)
        if publish.again:
            enqueue(recording, settings=settings)
    # What is in the spool when the last publish is done, has nobody else on this node to deliver it.
    while flush_spool(settings).left:
        time.sleep(chance.uniform(0.1, 0.3))
    record.note(step="done")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
