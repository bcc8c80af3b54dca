"""A process whose threads ask the same question at once, through the shared cache."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.processes import ManagedProcess, wait_until

__all__ = ["Askers", "started_together"]


class Askers:
    """`threads` threads of one process with one session; `start` lets them ask, `answers` waits for what they got.

    Args:
        folder: An empty folder of this object's own.
        question: The query.
        env: Environment with the server and the cache.
    """

    def __init__(self, folder: Path, question: str, *, threads: int, env: Mapping[str, str]) -> None:
        folder.mkdir()
        self._folder = folder
        command = [sys.executable, "-m", "tests.support.askers", str(folder), question, str(threads)]
        self.process = ManagedProcess(command, env=env, name="askers")

    def wait_ready(self) -> None:
        wait_until(lambda: self._there("ready"), seconds=90, what="askers to connect")

    def start(self) -> None:
        (self._folder / "go").touch()

    def answers(self) -> dict[str, Any]:
        """Seconds, digests of the results, and the statistics of the process."""
        wait_until(lambda: self._there("answers"), seconds=90, what="askers to be answered")
        answers: dict[str, Any] = json.loads((self._folder / "answers").read_text())
        return answers

    def _there(self, name: str) -> bool:
        assert (self._folder / name).exists() or self.process.running, self.process.output
        return (self._folder / name).exists()

    def stop(self) -> None:
        self.process.stop()


def started_together(askers: list[Askers]) -> None:
    """Wait until all have connected, then let all ask."""
    for each in askers:
        each.wait_ready()
    for each in askers:
        each.start()


def _main(folder: Path, question: str, threads: int) -> None:
    from trackteroid.session import Session

    session = Session()
    # What a first question costs besides (imports, scripts) belongs to connecting.
    with session.reusing_query_results(shared=True):
        session.fetch_entities("select id from Status", limit=1)
    results: list[tuple[float, str]] = []
    barrier = threading.Barrier(threads + 1)

    def ask() -> None:
        barrier.wait()
        began = time.monotonic()
        found = session.fetch_entities(question)
        rows = [
            [entity["id"], *(str(entity[name]) for name in ("name", "version") if name in entity)] for entity in found
        ]
        results.append((time.monotonic() - began, hashlib.sha256(json.dumps(rows).encode()).hexdigest()))

    running = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in running:
        thread.start()
    (folder / "ready").touch()
    while not (folder / "go").exists():
        time.sleep(0.005)
    with session.reusing_query_results(shared=True):
        barrier.wait()
        for thread in running:
            thread.join()
    answers = {
        "seconds": [seconds for seconds, _ in results],
        "digests": sorted({digest for _, digest in results}),
        "count": len(results),
        "statistics": session.query_cache.connection.statistics.as_dict(),
    }
    (folder / "answers.part").write_text(json.dumps(answers))
    (folder / "answers.part").rename(folder / "answers")


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
