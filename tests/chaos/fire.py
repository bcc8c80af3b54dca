"""The processes of a chaos run, and what is done to them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import redis as redis_client

from tests.chaos.client import Record
from tests.chaos.plan import Blow
from tests.support.processes import ManagedProcess, wait_until
from tests.support.sandbox import SandboxProcess
from tests.support.workers import service_environment, worker_process
from trackteroid.commits.redis_client import connect
from trackteroid.commits.wakeups import WakeupSender, wakeup_queue
from trackteroid.embedded_redis import EmbeddedRedis

__all__ = ["PATIENT", "Fire"]

#: Here a commit is not to blame for the worker that is killed under it, nor for half a batch that ftrack applies.
PATIENT: Mapping[str, str] = {
    "TRACKTEROID_LEASE_SECONDS": "3",
    "TRACKTEROID_MAX_CLAIMS": "1000",
    "TRACKTEROID_UNKNOWN_ATTEMPTS": "1000",
    "TRACKTEROID_WORKER_SLOTS": "4",
}


class Fire:
    """Workers and clients at work, and the blows they get; a context manager that leaves no process behind.

    Must be used by one thread that lives as long as the run: the embedded Redis ends with the thread that started it.

    Args:
        redis: Runs; is killed and started again.
        sandbox: Runs.
        orders: The files that say what each client is to do.
        workers: Worker processes.
        folder: For the clients' spools.
    """

    def __init__(
        self, redis: EmbeddedRedis, sandbox: SandboxProcess, orders: Sequence[Path], *, workers: int, folder: Path
    ) -> None:
        self.done: Counter[str] = Counter()
        self._redis, self._sandbox, self._folder = redis, sandbox, folder
        self._orders = list(orders)
        self._broker = connect(redis.url)
        self._sender = WakeupSender(redis.url, sandbox.url)
        self._workers: list[ManagedProcess] = []
        self._clients: list[ManagedProcess] = []
        try:
            self._workers.extend(self._start_worker() for _ in range(workers))
            # Who is killed while it still starts, proves little.
            wait_until(lambda: all(" ready." in worker.output for worker in self._workers), seconds=60, what="workers")
            self._clients.extend(self._start_client(position) for position in range(len(self._orders)))
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Fire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def records(self) -> list[list[dict[str, Any]]]:
        """Return what each client has noted so far."""
        return [Record(Path(json.loads(order.read_text())["record"])).lines() for order in self._orders]

    def burn(self, blows: Sequence[Blow]) -> None:
        """Deal the blows when their time comes."""
        started = time.monotonic()
        for blow in blows:
            time.sleep(max(0.0, started + blow.at - time.monotonic()))
            if self._strike(blow):
                self.done[blow.action] += 1

    def clients_are_done(self) -> bool:
        """Whether every client has ended well.

        Raises:
            AssertionError: One ended otherwise.
        """
        for client in self._clients:
            status = client.process.poll()
            assert status in (None, 0), f"A client ended with {status}:\n{client.output}"
        return all(not client.running for client in self._clients)

    def stop(self) -> None:
        """End all processes."""
        for process in (*self._clients, *self._workers):
            process.kill_group()
            process.stop()
        self._broker.close()

    def _start_worker(self) -> ManagedProcess:
        return worker_process(self._redis.url, self._sandbox.env, concurrency=1, env=PATIENT, wait=False)

    def _start_client(self, position: int) -> ManagedProcess:
        env = service_environment(
            self._redis.url, self._sandbox.env, {"TRACKTEROID_SPOOL": str(self._folder / f"spool-{position}")}
        )
        command = [sys.executable, "-m", "tests.chaos.client", str(self._orders[position])]
        return ManagedProcess(command, env=env, name="client")

    def _strike(self, blow: Blow) -> bool:
        match blow.action:
            case "kill a worker":
                position = int(blow.choice * len(self._workers))
                self._workers[position].kill_group()
                self._workers[position].stop()
                self._workers[position] = self._start_worker()
                return True
            case "kill a worker's child":
                children = [pid for worker in self._workers for pid in _children(worker.pid)]
                return bool(children) and _kill(children[int(blow.choice * len(children))])
            case "freeze a worker":
                # For longer than a lease: another one takes over what it holds, and then it goes on.
                return _freeze(self._workers[int(blow.choice * len(self._workers))].pid, 3.5 + 2 * blow.choice)
            case "kill a client":
                position = int(blow.choice * len(self._clients))
                if not self._clients[position].running:
                    return False
                self._clients[position].kill_group()
                self._clients[position].stop()
                self._clients[position] = self._start_client(position)
                return True
            case "restart Redis":
                self._redis.kill()
                time.sleep(0.5 + blow.choice)
                self._redis.start()
                keep_everything(self._broker)
                return True
            case "lose the wake-ups":
                self._broker.delete(wakeup_queue(self._sandbox.url))
                return True
            case "repeat a wake-up":
                return self._sender.send(1 + int(blow.choice * 5))
        raise AssertionError(blow.action)


def keep_everything(client: redis_client.Redis) -> None:
    """Have what Redis has answered for on disk: with `everysec` a kill may cost what a slow disk had not taken yet."""
    client.config_set("appendfsync", "always")


def _children(pid: int) -> Iterator[int]:
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return
    yield from map(int, listed.split())


def _freeze(group: int, seconds: float) -> bool:
    try:
        os.killpg(group, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    thaw = threading.Timer(seconds, _thaw, (group,))
    thaw.daemon = True
    thaw.start()
    return True


def _thaw(group: int) -> None:
    # It may have been killed meanwhile.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGCONT)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
