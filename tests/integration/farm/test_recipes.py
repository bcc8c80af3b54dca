"""The recipes of docs/recipes, each run by a test that plays the farm's part.

What a node gets is what the recipe hands to the farm, and nothing else: no API key, no user.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from celery import Celery

from tests.integration.farm.conftest import Farm
from tests.support.processes import REPOSITORY, ManagedProcess, wait_until
from tests.support.workers import worker_process
from trackteroid.commits.state import CommitState
from trackteroid.commits.wakeups import FLUSH_TASK, housekeeping_queue
from trackteroid.errors import UnknownCommitError

RECIPES = REPOSITORY / "docs" / "recipes"
#: Released; or accepted in the spool, because a busy machine let Redis answer late.
DONE = (0, 75)
KNOWN = ("FTRACK_SERVER", "TRACKTEROID_REDIS_URL", "TRACKTEROID_SPOOL")


@pytest.fixture(scope="module")
def worker(farm: Farm) -> Iterator[ManagedProcess]:
    with worker_process(farm.redis.url, farm.sandbox.env, env=farm.env) as process:
        yield process
        # A warm shutdown takes two seconds, and this worker's Redis ends with it.
        process.kill_group()


@pytest.fixture(autouse=True)
def environment(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the recipes read when they make a job."""
    for name in KNOWN:
        monkeypatch.setenv(name, {**farm.env, **farm.sandbox.env}[name])


def recipe(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", RECIPES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def held(farm: Farm, asset: str) -> tuple[str, dict[str, Any]]:
    """Submit as the recipe for submitters does, in a process of its own."""
    publish = farm.publish("bc0010", asset, version=4)
    facts = {name: publish[name] for name in ("shot", "asset", "layer", "version", "pattern", "frames", "labels")}
    done = subprocess.run(
        [sys.executable, "-c", f"import submit; print(submit.hold(**{facts!r}))"],
        env=farm.environment(),
        cwd=RECIPES,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), publish


def on_node(words: list[str], given: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command on a node that knows only what the farm hands to it.

    Again while Redis answers too late because this machine is busy (69, what a farm tries again).
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    env = {"PATH": path, "HOME": os.environ.get("HOME", "/"), **given}
    for _ in range(20):
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=100)
        if done.returncode != 69:
            break
    return done


def render_command(publish: Mapping[str, Any], frame: str) -> str:
    """A renderer: writes one frame."""
    script = (
        "import pathlib, sys; path = pathlib.Path(sys.argv[1]); path.parent.mkdir(parents=True, exist_ok=True); "
        "path.write_bytes(b'x' * 9)"
    )
    pattern = publish["pattern"].replace("%04d", frame)
    return shlex.join([sys.executable, "-c", script, pattern])


def assert_published(farm: Farm, commit_id: str, asset: str) -> None:
    farm.deliver()
    farm.committed(commit_id)
    with farm.official() as session:
        version = session.query(
            f'select version, asset.type.name from AssetVersion where asset.name is "{asset}"'
        ).one()
        assert (version["version"], version["asset"]["type"]["name"]) == (4, "Image Sequence")


def test_a_post_job_of_a_shell_tells_missing_frames_from_done(farm: Farm, worker: ManagedProcess) -> None:
    commit_id, publish = held(farm, "recipe-shell")
    given = {name: farm.env[name] for name in KNOWN}
    early = on_node([str(RECIPES / "post_job.sh"), commit_id], given)
    assert early.returncode == 74
    assert "--partial" in early.stderr
    farm.render(publish)
    assert on_node([str(RECIPES / "post_job.sh"), commit_id], given).returncode == 0
    assert_published(farm, commit_id, "recipe-shell")


class Deadline:
    """The part of a Deadline repository that the recipe meets: job files, dependencies, tasks on a node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = folder / "deadlinecommand"
        # The first line of the answer is what real ones say, too.
        command.write_text(
            f'#!/bin/sh\ncat "$1" > {folder}/job; cat "$2" > {folder}/plugin; echo Result=Success; echo JobID=65f0\n'
        )
        command.chmod(command.stat().st_mode | stat.S_IEXEC)

    def facts(self, name: str) -> dict[str, str]:
        lines = (self.folder / name).read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def environment(self) -> dict[str, str]:
        pairs = (value for key, value in self.facts("job").items() if key.startswith("EnvironmentKeyValue"))
        return dict(pair.split("=", 1) for pair in pairs)

    def run_task(self) -> int:
        plugin = self.facts("plugin")
        return on_node([plugin["Executable"], *shlex.split(plugin["Arguments"])], self.environment()).returncode


def test_a_dependent_job_of_deadline_releases(
    farm: Farm, worker: ManagedProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_id, publish = held(farm, "recipe-deadline")
    deadline = Deadline(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert recipe("deadline").submit_release(commit_id, "65ef", tmp_path) == "65f0"
    job = deadline.facts("job")
    assert (job["Plugin"], job["JobDependencies"], job["ResumeOnFailedDependencies"]) == (
        "CommandLine",
        "65ef",
        "false",
    )
    assert deadline.run_task() == 74, "the render was marked as done although frames are missing"
    farm.render(publish)
    assert deadline.run_task() in DONE, "the task is requeued"
    assert deadline.run_task() in DONE, "and once more by mistake"
    assert_published(farm, commit_id, "recipe-deadline")


def test_deleting_the_job_in_deadline_cancels(
    farm: Farm, worker: ManagedProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_id, _ = held(farm, "recipe-deleted")
    deadline = Deadline(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    recipe("deadline").submit_release(commit_id, "65ef", tmp_path)

    class Callbacks(list[Any]):
        def __iadd__(self, callback: Any) -> Callbacks:  # type: ignore[misc, override]
            self.append(callback)
            return self

    class Listener:
        def __init__(self) -> None:
            self.OnJobDeletedCallback = Callbacks()

    class Job:
        def GetJobExtraInfoKeyValue(self, name: str) -> str:
            key, _, value = deadline.facts("job")["ExtraInfoKeyValue0"].partition("=")
            return value if key == name else ""

        def GetJobEnvironmentKeys(self) -> list[str]:
            return list(deadline.environment())

        def GetJobEnvironmentKeyValue(self, name: str) -> str:
            return deadline.environment()[name]

    events = types.ModuleType("Deadline.Events")
    events.DeadlineEventListener = Listener  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "Deadline", types.ModuleType("Deadline"))
    monkeypatch.setitem(sys.modules, "Deadline.Events", events)
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def noted(*arguments: Any, **options: Any) -> Any:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    listener = recipe("deadline_event").GetDeadlineEventListener()
    for callback in listener.OnJobDeletedCallback:
        callback(Job())
    monkeypatch.undo()
    assert [process.wait(60) for process in started] == [0]
    assert farm.ledger.get(commit_id).state is CommitState.CANCELLED


def braces(text: str) -> list[str]:
    """Split a list of Tractor's language into its words: braces group, and nest."""
    words, depth, word = [], 0, ""
    for letter in text + " ":
        if letter == "}":
            depth -= 1
        if depth == 0 and letter in " \n\t{}":
            if word or letter == "}":
                words.append(word)
            word = ""
        else:
            word += letter
        if letter == "{":
            depth += 1
    return words


def options(words: list[str]) -> dict[str, str]:
    return dict(zip(words[::2], words[1::2], strict=True))


def run_task(task: list[str], failures: list[int]) -> None:
    """Run a Task of Tractor: its subtasks, then its commands; one that fails with a code of -retryrc is tried again."""
    told = options(task[2:])
    inner = braces(told.get("-subtasks", ""))
    starts = [index for index, word in enumerate(inner) if word == "Task"] + [len(inner)]
    for start, end in itertools.pairwise(starts):
        run_task(inner[start:end], failures)
    command = braces(told["-cmds"])
    assert command[0] == "RemoteCmd"
    again = options(command[2:]).get("-retryrc", "").split()
    for _ in range(3):
        # Launch expressions go straight to exec, words grouped by braces.
        code = on_node(braces(command[1]), {}).returncode
        if str(code) not in again:
            break
        failures.append(code)
    assert code in DONE


def test_a_task_of_tractor_releases_after_its_frames(farm: Farm, worker: ManagedProcess) -> None:
    commit_id, publish = held(farm, "recipe-tractor")
    farm.render(publish, "1001")
    script = shlex.split(render_command(publish, "%04d"))
    render = " ".join(f"{{{word}}}" for word in script)
    job = recipe("tractor").job_script(commit_id, [1002, 1003], render)
    words = braces(job)
    assert words[0] == "Job"
    (publish_task,) = [braces(options(words[1:])["-subtasks"])]
    failures: list[int] = []
    run_task(publish_task, failures)
    assert failures == []
    assert_published(farm, commit_id, "recipe-tractor")


def test_a_layer_of_opencue_releases_after_the_render_layer(farm: Farm, worker: ManagedProcess) -> None:
    commit_id, publish = held(farm, "recipe-opencue")
    spec = ElementTree.fromstring(
        recipe("opencue").job_spec(
            commit_id,
            show="bc",
            shot="bc0010",
            user="anna",
            frames=publish["frames"],
            render=render_command(publish, "#IFRAME#"),
        )
    )
    layers = {layer.attrib["name"]: layer for layer in spec.iter("layer")}
    depend = next(spec.iter("depend"))
    assert depend.attrib["type"] == "LAYER_ON_LAYER"
    first, second = depend.findtext("onlayer"), depend.findtext("deplayer")
    assert (first, second) == ("render", "publish")
    for name in (first, second):
        layer = layers[str(name)]
        start, _, end = str(layer.findtext("range")).partition("-")
        given = {str(key.attrib["name"]): str(key.text) for key in layer.iter("key")}
        for frame in range(int(start), int(end or start) + 1):
            # A host replaces the token and tells the frame in the environment.
            command = re.sub("#IFRAME#", f"{frame:04d}", str(layer.findtext("cmd")))
            cue = {"CUE_JOB": "job", "CUE_LAYER": str(name), "CUE_IFRAME": str(frame)}
            assert on_node(["/bin/sh", "-c", command], {**given, **cue}).returncode in DONE
    assert_published(farm, commit_id, "recipe-opencue")


def test_a_node_that_vanishes_after_spooling_has_its_publish_delivered_once(farm: Farm, tmp_path: Path) -> None:
    """Redis is away when the render ends: the order goes to the shared spool, the node is gone, a worker delivers it."""
    recording = tmp_path / "publish.dbm"
    script = (
        "from trackteroid import SESSION, Query, Asset, AssetVersion\n"
        f"with SESSION.deferred_operations({str(recording)!r}) as recording:\n"
        "    asset = Query(Asset).by_name('bc0040_comp').get_one(projections=[AssetVersion, AssetVersion.Task])\n"
        "    version = asset.AssetVersion.create(task=asset.AssetVersion.Task, comment='from a node that vanished')\n"
        f"    recording.expects(version.Component.create(name='main'), {str(tmp_path / 'main.mov')!r})\n"
    )
    subprocess.run([sys.executable, "-c", script], env=farm.environment(), check=True, timeout=60)
    (tmp_path / "main.mov").write_bytes(b"movie")
    spool = {name: farm.env[name] for name in KNOWN}
    pid = farm.redis.pid
    assert pid is not None
    # The same Redis as the workers', which this node cannot reach just now.
    os.kill(pid, signal.SIGSTOP)
    try:
        done = on_node([str(RECIPES / "post_job.sh"), str(recording)], spool)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert done.returncode == 0, done.stderr
    commit_id = done.stdout.strip()
    recording.unlink()
    with worker_process(farm.redis.url, farm.sandbox.env, env=farm.env) as process:
        # What beat sends twice a minute.
        queue = housekeeping_queue(farm.ledger.server_url)
        Celery(broker=farm.redis.url, set_as_current=False).send_task(FLUSH_TASK, queue=queue, ignore_result=True)
        wait_until(lambda: _known(farm, commit_id), seconds=60, what="the delivery by a worker")
        farm.committed(commit_id)
        process.kill_group()
    with farm.official() as session:
        (version,) = session.query('AssetVersion where comment is "from a node that vanished"').all()
        assert [component["size"] for component in version["components"]] == [5]


def _known(farm: Farm, commit_id: str) -> bool:
    try:
        return farm.ledger.get(commit_id) is not None
    except UnknownCommitError:
        return False
