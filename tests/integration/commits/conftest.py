"""A sandbox, a real Redis and the official client, for tests of committing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import ftrack_api
import pytest

from tests.support.recordings import create, recorded, update
from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from tests.support.workers import SHORT_TIMES
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.operation import Operation
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess(seed="demo") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> Iterator[SandboxProcess]:
    sandbox_process.requests(clear=True)
    yield sandbox_process
    sandbox_process.clear_faults()


@pytest.fixture
def redis_server() -> Iterator[EmbeddedRedis]:
    with embedded_redis() as server:
        yield server


@pytest.fixture
def settings(redis_server: EmbeddedRedis) -> Settings:
    return Settings.from_environment({**SHORT_TIMES, "TRACKTEROID_REDIS_URL": redis_server.url})


@pytest.fixture
def ledger(settings: Settings, sandbox: SandboxProcess) -> Iterator[RedisLedger]:
    ledger = open_ledger(settings, sandbox.url)
    yield ledger
    ledger.client.close()


class Witness:
    """The official client, which decides what really is on the server."""

    def __init__(self, sandbox: SandboxProcess, cache: Path) -> None:
        self._sandbox = sandbox
        self.session = ftrack_api.Session(
            sandbox.url,
            sandbox.env["FTRACK_API_KEY"],
            sandbox.env["FTRACK_API_USER"],
            auto_connect_event_hub=False,
            schema_cache_path=str(cache),
        )
        self.asset = self.session.query('Asset where name is "bc0040_comp"').one()
        self.task = self.session.query('Task where name is "compositing" and parent.name is "bc0040"').one()

    def publish(self, *more: Operation, bases: Sequence[tuple[str, str, str, Any]] = ()) -> Recording:
        """A recording of a version with one component, as the recorder writes it: references are updates of their own."""
        version, component = str(uuid4()), str(uuid4())
        return recorded(
            create("AssetVersion", version),
            update("AssetVersion", version, "asset", reference("Asset", self.asset["id"])),
            update("AssetVersion", version, "task", reference("Task", self.task["id"])),
            create("Component", component, name="main"),
            update("Component", component, "version", reference("AssetVersion", version)),
            update("AssetVersion", version, "comment", "from a test"),
            *more,
            recording_id=str(uuid4()),
            server_url=self._sandbox.url,
            bases=bases,
        )

    def rows(self, expression: str) -> list[Any]:
        """The server's answer, without the client's cache."""
        self.session.reset()
        return list(self.session.query(expression).all())

    def assert_published_once(self, recording: Recording) -> None:
        """Each entity that the recording creates is there exactly once and whole."""
        version, component = (
            next(iter(operation.entity_key.values()))
            for operation in recording.operations
            if type(operation).__name__ == "CreateOperation"
        )
        (row,) = self.rows(
            f'select comment, asset.name, version, components.name from AssetVersion where id is "{version}"'
        )
        assert (row["comment"], row["asset"]["name"]) == ("from a test", "bc0040_comp")
        assert [(item["id"], item["name"]) for item in row["components"]] == [(component, "main")]
        numbers = [
            item["version"]
            for item in self.rows(f'select version from AssetVersion where asset_id is "{self.asset["id"]}"')
        ]
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), "a version was made twice, or lost"


def reference(entity_type: str, key: str) -> dict[str, str]:
    return {"__entity_type__": entity_type, "id": key}


@pytest.fixture(scope="session")
def witness_session(sandbox_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    witness = Witness(sandbox_process, tmp_path_factory.mktemp("witness"))
    yield witness
    witness.session.close()


@pytest.fixture
def witness(witness_session: Witness, sandbox: SandboxProcess) -> Witness:
    return witness_session
