"""Run the demo: exit status 0 only if every expectation held."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.services import LEASE_SECONDS, Services, wait_for
from demo.turns import turn

WIDTH = 100


class Demo:
    """The steps, and what was expected and seen at each."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.expectations: list[tuple[str, str, bool]] = []
        self._letter = ""

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    def step(self, letter: str, title: str, explanation: str) -> None:
        self._letter = letter
        self.say()
        self.say(f"({letter}) {title}")
        self.say("-" * WIDTH)
        self.say(explanation)
        self.say()

    def expect(self, what: str, wanted: object, seen: object) -> None:
        held = wanted == seen
        self.expectations.append((f"({self._letter}) {what}", f"{seen}", held))
        self.say(f"    {'ok  ' if held else 'FAIL'}  {what}: {seen}" + ("" if held else f" (expected {wanted})"))

    # What the official client sees

    def ask_official_client(self, question: Callable[[Any], Any]) -> Any:
        """Return the answer of an unmodified `ftrack_api.Session`, made for this question alone."""
        import ftrack_api

        environment = self.services.environment
        with ftrack_api.Session(
            server_url=environment["FTRACK_SERVER"],
            api_key=environment["FTRACK_API_KEY"],
            api_user=environment["FTRACK_API_USER"],
            schema_cache_path=str(self.services.folder),
        ) as session:
            return question(session)

    def created_ids(self, file: str, entity_type: str) -> list[str]:
        operations = json.loads(self.services.trackteroid("recording", "show", "--json", file))["operations"]
        return [
            operation["entity_key"]["id"]
            for operation in operations
            if operation["operation"] == "create" and operation["entity_type"] == entity_type
        ]

    def count_versions(self, file: str) -> int:
        ids = self.created_ids(file, "AssetVersion")
        listed = ", ".join(f'"{identifier}"' for identifier in ids)
        return self.ask_official_client(
            lambda session: len(session.query(f"select id from AssetVersion where id in ({listed})").all())
        )

    def count_comment(self, comment: str) -> int:
        return self.ask_official_client(
            lambda session: len(session.query(f'select id from AssetVersion where comment is "{comment}"').all())
        )

    # What the ledger says

    def enqueue(self, file: str) -> str:
        return self.services.trackteroid("enqueue", file).strip()

    def commit(self, identifier: str) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.services.trackteroid("commits", "show", "--json", identifier))
        return facts

    def wait_state(self, identifier: str, *states: str, seconds: float = 40.0) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            facts = self.commit(identifier)
            return facts if facts["state"] in states else None

        return wait_for(f"commit {identifier} to become {' or '.join(states)}", reached, seconds)

    def record(self, comment: str) -> str:
        file = str(self.services.folder / f"{comment}.dbm")
        self.services.python("-m", "demo.publish", file, comment)
        return file

    # The steps

    def recorded(self) -> None:
        self.step(
            "a",
            "A process records a publish instead of sending it",
            "Process 1 of the mission runs as it stands. It asks ftrack for an asset, then creates a version, a component\n"
            "and its location. Nothing of that is sent: it is written to one file, which another process may commit.",
        )
        services = self.services
        before = self.ask_official_client(lambda session: len(session.query("select id from AssetVersion").all()))
        services.python("demo/mission/process_1.py")
        self.say(services.trackteroid("recording", "show", "/tmp/recorded_operations.dbm"))
        after = self.ask_official_client(lambda session: len(session.query("select id from AssetVersion").all()))
        operations = json.loads(services.trackteroid("recording", "show", "--json", "/tmp/recorded_operations.dbm"))
        self.expect("operations recorded", 8, len(operations["operations"]))
        self.expect("versions that reached ftrack meanwhile", 0, after - before)

    def enqueued(self) -> None:
        self.step(
            "b",
            "The file is enqueued, a worker commits it",
            "`trackteroid enqueue FILE` stores the recording in the ledger in Redis, at once and for good. The workers' sweep\n"
            "finds it within a second; a worker claims it, sends one batch to ftrack and notes that it is done. Then the\n"
            "official client looks.",
        )
        file = "/tmp/recorded_operations.dbm"
        identifier = self.enqueue(file)
        self.say(f"    commit id: {identifier}")
        facts = self.wait_state(identifier, "committed", "dead")
        self.expect("state of the commit", "committed", facts["state"])
        (version_id,) = self.created_ids(file, "AssetVersion")

        def arrived(session: Any) -> tuple[Any, ...]:
            version = session.query(
                "select version, asset.name, is_published, components.name, "
                "components.component_locations.resource_identifier "
                f'from AssetVersion where id is "{version_id}"'
            ).one()
            (component,) = version["components"]
            (location,) = component["component_locations"]
            self.say(f"    the official client sees version {version['version']} of {version['asset']['name']}")
            return version["is_published"], component["name"], location["resource_identifier"]

        self.expect("what arrived", (True, "main", "/path/to/final/file"), self.ask_official_client(arrived))
        self.expect("the same file enqueued again is the same commit", identifier, self.enqueue(file))
        self.expect("versions made by it", 1, self.count_versions(file))

    def reply_dropped(self) -> None:
        self.step(
            "c",
            "A lost reply and a killed worker: still exactly once",
            "First the sandbox applies a batch and then drops the connection: the worker cannot know whether it got through.\n"
            "Then a worker is killed with SIGKILL while it holds a commit. In both cases the next attempt first asks ftrack\n"
            f"which of the recorded ids exist. (Leases last {LEASE_SECONDS} s here and 60 s in production.)",
        )
        services = self.services
        lost = self.record("reply-lost")
        services.sandbox("POST", "/sandbox/faults", [{"kind": "drop_reply", "times": 1, "actions": ["create"]}])
        identifier = self.enqueue(lost)
        facts = self.wait_state(identifier, "committed", "dead")
        dropped = [entry for entry in services.sandbox("GET", "/sandbox/requests") if entry["fault"] == "drop_reply"]
        self.expect("replies dropped after the batch was applied", 1, len(dropped))
        self.expect("state of the commit whose reply was lost", "committed", facts["state"])
        self.expect("versions made by it", 1, self.count_comment("reply-lost"))

        killed = self.record("worker-killed")
        services.sandbox(
            "POST", "/sandbox/faults", [{"kind": "latency", "seconds": 3, "times": 1, "actions": ["create"]}]
        )
        identifier = self.enqueue(killed)
        # The sandbox is asked: a command of its own that asks the ledger takes longer than the request on a busy machine.
        wait_for("the slow request to arrive", lambda: services.sandbox("GET", "/sandbox/faults") == [])
        services.kill_worker()
        self.say(f"    worker killed while it held {identifier}; a new one starts")
        services.start_worker()
        facts = self.wait_state(identifier, "committed", "dead", seconds=60)
        self.expect("state of the commit whose worker was killed", "committed", facts["state"])
        self.expect("it was claimed a second time", True, facts["attempts"] >= 2)
        self.expect("versions made by it", 1, self.count_comment("worker-killed"))
        services.sandbox("DELETE", "/sandbox/faults")

    def unavailable(self) -> None:
        self.step(
            "d",
            "ftrack answers 503 for a while",
            "The commit waits in `retrying`, with the reason beside it, and goes through when ftrack is back. Nobody has to\n"
            "do anything; in production it is retried for up to 72 hours.",
        )
        services = self.services
        services.sandbox("POST", "/sandbox/faults", [{"kind": "error", "status": 503, "actions": ["create"]}])
        identifier = self.enqueue(self.record("ftrack-away"))
        facts = self.wait_state(identifier, "retrying")
        self.say(f"    reason: {facts['error']['message']}")
        self.expect("state while ftrack is away", "retrying", facts["state"])
        services.sandbox("DELETE", "/sandbox/faults")
        facts = self.wait_state(identifier, "committed", "dead")
        self.expect("state when it is back", "committed", facts["state"])
        self.expect("versions made by it", 1, self.count_comment("ftrack-away"))

    def reused(self) -> None:
        self.step(
            "e",
            "Two processes ask the same question, ftrack is asked once",
            "`reusing_query_results(shared=True)` keeps results in Redis. The second process answers from there. A commit that\n"
            "touches what was asked invalidates it before the commit is reported as done: the next asker gets the new state.",
        )
        services = self.services
        services.sandbox("GET", "/sandbox/requests?clear=1")
        first = services.python("-m", "demo.ask").strip()
        self.expect("queries after the first process", 1, self._queries())
        second = services.python("-m", "demo.ask").strip()
        self.expect("queries after the second process", 1, self._queries())
        self.expect("both got the same answer", first, second)
        identifier = self.enqueue(self.record("new-version"))
        self.wait_state(identifier, "committed")
        third = services.python("-m", "demo.ask").strip()
        self.expect("versions seen after a commit added one", int(first) + 1, int(third))
        self.expect("queries after the third process", 2, self._queries())

    def _queries(self) -> int:
        asked = self.services.sandbox("GET", "/sandbox/requests")
        return sum(
            "from AssetVersion" in expression and "comment" in expression
            for entry in asked
            for expression in entry["expressions"]
        )

    def summary(self) -> bool:
        self.say()
        self.say("(f) Summary")
        self.say("-" * WIDTH)
        width = max(len(what) for what, _, _ in self.expectations)
        for what, seen, held in self.expectations:
            self.say(f"    {'ok  ' if held else 'FAIL'}  {what.ljust(width)}  {seen}")
        failed = sum(not held for _, _, held in self.expectations)
        self.say()
        self.say("    Every expectation held." if not failed else f"    {failed} expectations did not hold.")
        return not failed


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, without its aftermath.

    Run with `-m`, Python ends by SIGINT instead of our exit status if a `KeyboardInterrupt`, of exactly that class, has ever
    passed through code that was made from text, as a dataclass' is: whether it was caught does not matter (Python/pythonrun.c,
    `run_eval_code_obj`).
    """


def main() -> int:
    def interrupted(number: int, frame: object) -> None:
        raise Interrupted

    # Both explicitly: a shell that starts the demo in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    try:
        with turn(
            lambda: print("Another run of the mission's example is under way here; waiting for it ...", flush=True)
        ):
            return play()
    except KeyboardInterrupt:
        print("\nInterrupted; stopping what was started.", flush=True)
        return 130


def play() -> int:
    """Show all steps and return the exit status; whatever was started is stopped, also on Ctrl-C."""
    started = time.monotonic()
    services = Services()
    demo = Demo(services)
    # Left by an earlier run; the mission's example writes exactly there.
    Path("/tmp/recorded_operations.dbm").unlink(missing_ok=True)
    try:
        demo.say("Starting a sandbox ftrack server, Redis, a Celery worker and beat, all on this machine ...")
        services.start()
        demo.say(f"Ready after {time.monotonic() - started:.0f} s.")
        demo.recorded()
        demo.enqueued()
        demo.reply_dropped()
        demo.unavailable()
        demo.reused()
        held = demo.summary()
        demo.say(f"    {time.monotonic() - started:.0f} s in all.")
        return 0 if held else 1
    except (RuntimeError, TimeoutError) as error:
        demo.say(f"\nFAIL  {error}")
        for name in ("sandbox", "worker", "beat"):
            log = services.folder / f"{name}.log"
            if log.exists():
                demo.say(f"\nLast lines of the {name}:\n" + "\n".join(services.log(name).splitlines()[-15:]))
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        services.stop()


if __name__ == "__main__":
    sys.exit(main())
