"""What wranglers do with commits, the spool and lost ledgers at the command line; a real Redis, no ftrack."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.cli.test_cli import assert_one_clear_line, trackteroid
from tests.support.processes import wait_until
from tests.support.recordings import create, recorded
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.commits.actor import current_actor
from trackteroid.commits.commit import CommitError, CommitFacts
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.commits.ledger import Doubt
from trackteroid.commits.reaching import address
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.spool import open_spool
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import read_recording, write_recording
from trackteroid.settings import Settings
from workers.runtime import Runtime

SERVER = "https://studio.example"
FAILURE = CommitError(kind="permanent", error_class="ValidationError", message="The name is taken.")


@pytest.fixture
def env(redis: EmbeddedRedis, tmp_path: Path) -> dict[str, str]:
    return {
        "FTRACK_SERVER": SERVER,
        "TRACKTEROID_REDIS_URL": redis.url,
        "TRACKTEROID_SPOOL": str(tmp_path / "spool"),
    }


@pytest.fixture
def ledger(redis: EmbeddedRedis) -> Iterator[RedisLedger]:
    ledger = open_ledger(Settings(redis_url=redis.url), SERVER)
    ledger.client.flushall()
    yield ledger
    ledger.client.close()


def put(ledger: RedisLedger, name: str, *, dead: bool = False, **facts: object) -> None:
    """Put a commit in the ledger, with its facts; the only one that is due, as it is taken at once if it shall be dead."""
    ledger.enqueue(name, digest="d", payload=b"p", facts=CommitFacts(operations=1, **facts))  # type: ignore[arg-type]
    if dead:
        claim = ledger.claim("worker", lease_seconds=60)
        assert claim is not None and claim.commit.id == name
        ledger.bury(claim, error=FAILURE)


def recording(folder: Path, name: str | None = None) -> Path:
    identifier = name or str(uuid4())
    path = folder / f"{identifier}.dbm"
    write_recording(path, recorded(create("AssetVersion", str(uuid4())), recording_id=identifier, server_url=SERVER))
    return path


def test_a_row_that_cannot_be_read_hides_no_other(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    for name in ("a", "damaged", "b"):
        put(ledger, name, user="anna")
    ledger.client.hset(f"{ledger.prefix}c:damaged", "facts", "{")
    done = trackteroid("commits", "list", env=env)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if "anna" in line or "damaged" in line]
    assert [line[0] for line in lines] == ["b", "damaged", "a"]
    assert "The ledger row of commit damaged cannot be read" in done.stdout
    assert_one_clear_line(trackteroid("commits", "show", "damaged", env=env), ExitCode.BAD_DATA, "cannot be read")


def test_commits_are_listed_by_what_people_know_of_them(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    put(ledger, "a", dead=True, user="anna", context={"project": "bigfilm"}, labels={"farm_job": "1"})
    put(ledger, "b", user="bob", context={"project": "bigfilm"}, labels={"farm_job": "2"})

    def listed(*options: str) -> list[str]:
        done = trackteroid("commits", "list", "--json", *options, env=env)
        assert done.returncode == 0, done.stderr
        return [commit["id"] for commit in json.loads(done.stdout)]

    assert listed() == ["b", "a"]
    assert listed("--user", "anna") == ["a"]
    assert listed("--project", "big*") == ["b", "a"]
    assert listed("--label", "farm_job=2") == ["b"]
    assert listed("--older-than", "2h") == []
    assert listed("--newer-than", "2h", "--state", "dead") == ["a"]
    table = trackteroid("commits", "list", env=env).stdout
    assert "The name is taken." in table
    assert "bigfilm" in table


@pytest.mark.parametrize("options", [["--older-than", "soon"], ["--label", "noequals"], ["--state", "sleeping"]])
def test_options_that_make_no_sense_are_wrong_usage(options: list[str], env: Mapping[str, str]) -> None:
    done = trackteroid("commits", "list", *options, env=env)
    assert done.returncode == ExitCode.USAGE
    assert options[1] in done.stderr


def test_dead_commits_are_retried_by_id_and_who_did_it_is_shown(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    put(ledger, "a", dead=True)
    done = trackteroid("commits", "retry", "a", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\n", "")
    assert ledger.get("a").state is CommitState.QUEUED
    shown = trackteroid("commits", "show", "a", env=env).stdout
    assert f"retry by {current_actor()}" in shown


def test_dead_commits_are_retried_by_filter(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    for number in range(12):
        put(ledger, f"c{number}", dead=True, user="anna" if number % 2 else "bob")
    put(ledger, "queued", user="anna")
    meant = trackteroid("commits", "retry", "--user", "anna", "--dry-run", env=env)
    assert len(meant.stdout.splitlines()) == 6
    assert ledger.counts()[CommitState.DEAD] == 12
    done = trackteroid("commits", "retry", "--user", "anna", env=env)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["c1", "c11", "c3", "c5", "c7", "c9"]
    assert ledger.counts()[CommitState.DEAD] == 6
    assert ledger.get("queued").actions == ()


def test_one_commit_that_refuses_does_not_keep_the_others(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    put(ledger, "dead", dead=True)
    put(ledger, "queued")
    done = trackteroid("commits", "retry", "nonsense", "queued", "dead", env=env)
    assert done.stdout == "dead\n"
    assert done.returncode == ExitCode.FAILED
    assert len(done.stderr.splitlines()) == 2


def test_commits_are_cancelled_by_id_and_by_filter(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    put(ledger, "dead", dead=True, labels={"job": "7"})
    put(ledger, "b", labels={"job": "8"})
    # Its reply was lost: nobody knows what it did.
    claim = ledger.claim("worker", lease_seconds=60)
    assert claim is not None and claim.commit.id == "b"
    ledger.mark_sent(claim, lease_seconds=60, request_seconds=30)
    ledger.retry(claim, delay=3600, error=FAILURE, doubt=Doubt.RUNNING)
    put(ledger, "a", labels={"job": "7"})
    doubtful = trackteroid("commits", "cancel", "b", env=env)
    assert doubtful.stdout == "b\n"
    assert "b is cancelled, but an earlier attempt may have got through" in doubtful.stderr
    done = trackteroid("commits", "cancel", "--label", "job=7", env=env)
    assert sorted(done.stdout.splitlines()) == ["a", "dead"]
    assert done.stderr == ""
    assert ledger.counts()[CommitState.CANCELLED] == 3
    assert {action.actor for name in "ab" for action in ledger.get(name).actions} == {current_actor()}


def test_cancelling_says_which_commits_it_needs(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    put(ledger, "a")
    assert_one_clear_line(trackteroid("commits", "cancel", env=env), ExitCode.USAGE, "Which commits?", "--dry-run")
    both = trackteroid("commits", "cancel", "a", "--user", "anna", env=env)
    assert_one_clear_line(both, ExitCode.USAGE, "not both")
    nobody = trackteroid("commits", "cancel", "--user", "nobody", env=env)
    assert_one_clear_line(nobody, ExitCode.OK, "no commit is meant")
    wrong = trackteroid("commits", "retry", "--state", "queued", env=env)
    assert_one_clear_line(wrong, ExitCode.USAGE, "dead")
    assert ledger.get("a").state is CommitState.QUEUED


def test_many_at_once_have_a_progress_bar_on_a_terminal(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    pytest.importorskip("rich")
    for number in range(30):
        put(ledger, f"c{number}", dead=True)
    terminal, other = pty.openpty()
    environment = {**os.environ, **env, "TERM": "xterm", "COLUMNS": "100"}
    arguments = [sys.executable, "-m", "trackteroid", "commits", "retry", "--state", "dead"]
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=other, text=True)
    os.close(other)
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                return
            if not part:
                return
            shown.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    output, _ = process.communicate(timeout=60)
    reader.join(20)
    os.close(terminal)
    assert process.returncode == 0
    assert len(output.splitlines()) == 30
    assert b"/30" in shown


# enqueue --wait


def finish(ledger: RedisLedger, error: CommitError | None) -> None:
    claim = wait_until(lambda: ledger.claim("worker", lease_seconds=60), what="the commit")
    if error is None:
        ledger.complete(claim, result={})  # type: ignore[arg-type]
    else:
        ledger.bury(claim, error=error)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "code", "state"), [(None, ExitCode.OK, "committed"), (FAILURE, ExitCode.FAILED, "dead")]
)
def test_waiting_tells_what_became_of_it(
    error: CommitError | None,
    code: ExitCode,
    state: str,
    ledger: RedisLedger,
    env: Mapping[str, str],
    tmp_path: Path,
) -> None:
    worker = threading.Thread(target=finish, args=(ledger, error))
    worker.start()
    done = trackteroid("enqueue", "--wait", "30", "--json", str(recording(tmp_path)), env=env)
    worker.join()
    assert done.returncode == code
    (told,) = json.loads(done.stdout)
    assert told["state"] == state
    assert ("The name is taken." in done.stderr) == (error is not None)


def test_waiting_ends_when_its_time_is_up(ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path) -> None:
    done = trackteroid("enqueue", "--wait", "0.2", str(recording(tmp_path)), str(recording(tmp_path)), env=env)
    assert done.returncode == ExitCode.TIMEOUT
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr.count("still queued") == 2


def test_waiting_for_what_stays_in_the_spool_says_so(env: Mapping[str, str], tmp_path: Path) -> None:
    away = {**env, "TRACKTEROID_REDIS_URL": "redis://127.0.0.1:9/0"}
    done = trackteroid("enqueue", "--wait", "0.5", str(recording(tmp_path)), env=away)
    assert done.returncode == ExitCode.SPOOLED
    assert "still in the spool" in done.stderr


# spool


def test_the_spool_is_shown_and_flushed(
    redis: EmbeddedRedis, ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path
) -> None:
    empty = json.loads(trackteroid("spool", "status", "--json", env=env).stdout)
    assert (empty["waiting"], empty["folder"]) == (0, env["TRACKTEROID_SPOOL"])
    away = {**env, "TRACKTEROID_REDIS_URL": "redis://:secret@127.0.0.1:9/0"}
    paths = [str(recording(tmp_path)) for _ in range(3)]
    assert trackteroid("enqueue", *paths, env=away).returncode == ExitCode.SPOOLED
    assert "waiting  3 recordings and release orders," in trackteroid("spool", "status", env=env).stdout
    still = trackteroid("spool", "flush", env=away)
    assert still.returncode == ExitCode.SPOOLED
    assert "127.0.0.1:9" in still.stderr
    assert "secret" not in still.stderr
    # Meant for the Redis that is away, so another one gets them only when that is asked for.
    other = trackteroid("spool", "flush", env=env)
    assert other.returncode == 0
    assert "--any-redis" in other.stderr
    done = trackteroid("spool", "flush", "--any-redis", env=env)
    assert (done.returncode, done.stdout) == (0, "3 delivered, 0 known already, 0 left\n")
    assert ledger.counts()[CommitState.QUEUED] == 3
    assert "sent     3" in trackteroid("spool", "status", env=env).stdout


def test_doctor_and_the_workers_tell_of_what_has_not_ended_for_long(
    redis: EmbeddedRedis, ledger: RedisLedger, env: Mapping[str, str]
) -> None:
    old = RedisLedger(ledger.client, SERVER, clock=lambda: time.time() - 3 * 86400)
    put(old, "from-monday", user="anna")
    put(ledger, "from-today")
    found = json.loads(trackteroid("doctor", "--json", env=env).stdout)
    (warning,) = [each for each in found if each["subject"] == "commits" and each["status"] == "warning"]
    assert "1 accepted more than a day ago and not at an end: from-monday queued" in warning["text"]
    listed = subprocess.run(
        [sys.executable, "-m", *shlex.split(warning["remedy"]), "--json"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert [commit["id"] for commit in json.loads(listed.stdout)] == ["from-monday"]
    reported = Runtime(Settings(redis_url=redis.url), SERVER).report()
    assert "from-monday" in reported and "from-today" not in reported


def test_doctor_tells_of_the_spool(redis: EmbeddedRedis, env: Mapping[str, str], tmp_path: Path) -> None:
    def told(environment: Mapping[str, str]) -> dict[str, str]:
        found = json.loads(trackteroid("doctor", "--json", env=environment).stdout)
        # In a container, or in memory, a second one says that the folder may be lost with the machine.
        mine, *_ = [finding for finding in found if finding["subject"] == "spool"]
        return dict(mine)

    assert told(env)["status"] == "ok"
    away = {**env, "TRACKTEROID_REDIS_URL": "redis://127.0.0.1:9/0"}
    trackteroid("enqueue", str(recording(tmp_path)), env=away)
    waiting = told(env)
    assert waiting["status"] == "warning"
    assert "spool flush" in waiting["remedy"]
    assert told({**env, "TRACKTEROID_SPOOL": str(recording(tmp_path))})["status"] == "problem"
    if os.name != "nt":
        # Made by its first user, for that one alone: no spool that is shared.
        for mode, private in ((0o700, True), (0o770, False)):
            (tmp_path / "spool").chmod(mode)
            shown = trackteroid("doctor", "--json", env=env).stdout
            assert ("can be used by one user only" in shown) is private


def test_an_open_breaker_is_shown_where_people_look(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    def findings() -> list[tuple[str, str]]:
        found = json.loads(trackteroid("doctor", "--json", env=env).stdout)
        return [(each["status"], each["text"]) for each in found if each["subject"] == "commits"]

    put(ledger, "dead-one", dead=True)
    put(ledger, "c1", user="anna")
    assert findings() == [("ok", "1 queued"), ("warning", "1 dead")]
    assert trackteroid("commits", "list", env=env).stderr == ""
    claim = ledger.claim("worker", lease_seconds=60)
    assert claim is not None
    error = CommitError(
        kind="environment", error_class="InvalidCredentialsError", message="Give the workers a new key."
    )
    ledger.retry(claim, delay=60, error=error, doubt=Doubt.NONE)
    told = trackteroid("commits", "list", "--json", env=env)
    assert len(json.loads(told.stdout)) == 2
    assert len(told.stderr.splitlines()) == 1
    assert "Commits stand still" in told.stderr and "Give the workers a new key." in told.stderr
    assert findings()[0][0] == "problem" and "Give the workers a new key." in findings()[0][1]
    ledger.client.flushall()


# recover


def test_what_the_ledger_does_not_know_is_enqueued_again(
    ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "show"
    folder.mkdir()
    paths = [recording(folder, f"rec-{number}") for number in range(4)]
    (folder / "beauty.exr").write_bytes(b"v/1\x01" + bytes(100))
    trackteroid("enqueue", *map(str, paths[:2]), env=env)
    would = trackteroid("recover", "--dry-run", str(folder), env=env)
    assert sorted(would.stdout.splitlines()) == ["rec-2", "rec-3"]
    assert ledger.counts()[CommitState.QUEUED] == 2
    done = trackteroid("recover", str(folder), env=env)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["rec-2", "rec-3"]
    assert "2 enqueued, 2 known already, 1 files are no recordings" in done.stderr
    assert [ledger.get(f"rec-{number}").facts.recovered for number in range(4)] == [False, False, True, True]
    again = json.loads(trackteroid("recover", "--json", str(folder), env=env).stdout)
    assert again["enqueued"] == []
    assert again["known"] == {f"rec-{number}": "queued" for number in range(4)}
    assert [entry["file"] for entry in again["passed_over"]] == [str(folder / "beauty.exr")]


def test_what_was_recovered_waits_as_before_for_what_is_still_known(
    ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path
) -> None:
    recording(tmp_path, "first")
    path = recording(tmp_path, "second")
    away = {**env, "TRACKTEROID_REDIS_URL": "redis://127.0.0.1:9/0", "TRACKTEROID_SPOOL": str(tmp_path / "spool")}
    terms = ("--priority", "3", "--depends-on", "first", "--depends-on", "forgotten")
    spooled = trackteroid("enqueue", str(path), *terms, env=away)
    assert spooled.returncode == ExitCode.SPOOLED, spooled.stderr
    would = trackteroid("recover", "--dry-run", str(tmp_path), env=env)
    assert "second was to wait for forgotten, of which neither" in would.stderr
    done = trackteroid("recover", str(tmp_path), env=env)
    assert (done.returncode, "was to wait for forgotten" in done.stderr) == (0, True)
    claim = ledger.claim("worker", lease_seconds=60)
    assert claim is not None
    assert (claim.commit.id, ledger.claim("worker", lease_seconds=60)) == ("first", None)
    waiting = ledger.get("second")
    assert waiting.waiting is not None
    assert (waiting.priority, waiting.waiting.kind, waiting.waiting.commit_id) == (3, "depends", "first")
    again = trackteroid("recover", str(tmp_path), env=env)
    assert (again.returncode, "was to wait" in again.stderr) == (0, False)


def test_recovering_needs_a_folder_and_a_redis(env: Mapping[str, str], tmp_path: Path) -> None:
    assert_one_clear_line(trackteroid("recover", str(tmp_path / "no"), env=env), ExitCode.NOT_FOUND, "no folder")
    recording(tmp_path)
    away = {**env, "TRACKTEROID_REDIS_URL": "redis://127.0.0.1:9/0"}
    assert_one_clear_line(trackteroid("recover", str(tmp_path), env=away), ExitCode.UNAVAILABLE, "127.0.0.1:9")


def test_what_may_be_lost_is_not_recovered_quietly(ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path) -> None:
    path = recording(tmp_path)
    (tmp_path / "rec.spooled").write_bytes(b"half of what was acc")
    ledger.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        evicting = trackteroid("recover", str(tmp_path), env=env)
    finally:
        ledger.client.config_set("maxmemory-policy", "noeviction")
    assert (evicting.returncode, "would throw accepted commits away" in evicting.stderr) == (ExitCode.UNAVAILABLE, True)
    done = trackteroid("recover", str(tmp_path), env=env)
    assert (done.returncode, done.stdout.split()) == (ExitCode.BAD_DATA, [read_recording(path).recording_id])
    assert "rec.spooled: It is no file of a spool" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="closes streams as a POSIX shell does")
def test_without_standard_streams_the_work_is_done_and_the_exit_code_tells(
    ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path
) -> None:
    names = ["first", "second"]
    paths = [str(recording(tmp_path, name)) for name in names]

    def without(streams: str, *arguments: str) -> int:
        command = f"{shlex.join([sys.executable, '-m', 'trackteroid', *arguments])} {streams}"
        return subprocess.run(command, shell=True, env={**os.environ, **env}, timeout=60).returncode

    assert without(">&-", "enqueue", *paths) == 0
    assert [ledger.get(name).state for name in names] == [CommitState.QUEUED] * 2
    assert without(">&-", "commits", "list") == 0
    assert without("<&- >&- 2>&-", "recording", "show", "--no-names", paths[0]) == 0
    for command in ("enqueue", "release"):
        assert without("2>&-", command, str(tmp_path / "none.dbm")) == ExitCode.NOT_FOUND


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_standard_output_on_a_full_disk_is_said_clearly(
    json: tuple[str, ...], ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path
) -> None:
    path = recording(tmp_path)
    # Once with less than Python buffers, once with more.
    for number in range(100):
        put(ledger, f"{number}", user="u" * 100)
    for command in (["recording", "show", "--no-names", *json, str(path)], ["commits", "list", *json]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run(
                [sys.executable, "-m", "trackteroid", *command],
                env={**os.environ, **env},
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )
        assert done.returncode == ExitCode.CANNOT_WRITE, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("trackteroid: Standard output cannot be written to: No space left on device.")


def test_a_dependency_that_nobody_knows_is_said(ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path) -> None:
    first, second, third = (recording(tmp_path, name) for name in ("first", "second", "third"))
    slip = trackteroid("enqueue", str(second), "--depends-on", "frist", env=env)
    assert (slip.returncode, slip.stdout) == (0, "second\n")
    assert "waits for frist, and no commit of that id is known yet" in slip.stderr
    assert trackteroid("enqueue", str(first), env=env).stderr == ""
    assert trackteroid("enqueue", str(third), "--depends-on", "first", env=env).stderr == ""


def test_a_held_commit_is_not_waited_for(ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path) -> None:
    path = str(recording(tmp_path, "held"))
    assert trackteroid("enqueue", path, "--hold", env=env).returncode == 0
    started = time.monotonic()
    again = trackteroid("enqueue", path, "--wait", "50", env=env)
    assert (again.returncode, time.monotonic() - started < 30) == (ExitCode.TIMEOUT, True)
    assert "commit held is held and not waited for: `trackteroid release held`" in again.stderr
    assert "goes on" not in again.stderr


def test_a_recording_says_which_server_it_is_shown_and_cancelled_on(
    ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path
) -> None:
    env = {**env, "FTRACK_SERVER": ""}
    path = str(recording(tmp_path, "named"))
    assert trackteroid("enqueue", path, env=env).returncode == 0
    assert json.loads(trackteroid("commits", "show", path, "--json", env=env).stdout)["state"] == "queued"
    assert_one_clear_line(trackteroid("commits", "show", "named", env=env), ExitCode.SETTINGS, "Which ftrack server?")
    other = tmp_path / "other.dbm"
    write_recording(other, recorded(create("Note", "n"), recording_id="other", server_url="https://other.example"))
    several = trackteroid("commits", "cancel", path, str(other), env=env)
    assert_one_clear_line(several, ExitCode.SETTINGS, SERVER, "https://other.example", "--server")
    assert trackteroid("commits", "cancel", path, env=env).stdout == "named\n"
    assert ledger.get("named").state is CommitState.CANCELLED


def test_what_strangers_wrote_stays_in_its_line(ledger: RedisLedger, env: Mapping[str, str]) -> None:
    put(ledger, "a", user="anna\nstate  committed", context={"shot": "s1\x1b[31m"})
    ledger.cancel("a", actor="ben\nx")
    shown = trackteroid("commits", "show", "a", env=env).stdout
    assert "anna\\nstate  committed" in shown
    assert "ben\\nx" in shown
    assert "\x1b" not in shown + trackteroid("commits", "list", env=env).stdout


def test_holding_releasing_and_cancelling_from_submission_to_render(
    ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path
) -> None:
    first, second, third = recording(tmp_path), recording(tmp_path), recording(tmp_path)
    held = trackteroid("enqueue", str(first), str(second), str(third), "--hold", "--priority", "5", env=env)
    assert held.returncode == 0, held.stderr
    ids = held.stdout.split()
    assert {ledger.get(each).state for each in ids} == {CommitState.HELD}
    assert ledger.get(ids[0]).priority == 5
    released = trackteroid("release", str(first), ids[1], env=env)
    assert (released.returncode, released.stdout.split()) == (0, ids[:2])
    assert {ledger.get(each).state for each in ids[:2]} == {CommitState.QUEUED}
    again = trackteroid("release", ids[0], "--json", env=env)
    assert (again.returncode, json.loads(again.stdout)[0]["state"]) == (0, "queued")
    cancelled = trackteroid("commits", "cancel", str(third), env=env)
    assert (cancelled.returncode, cancelled.stdout.split()) == (0, ids[2:])
    again = trackteroid("enqueue", str(third), env=env)
    assert (again.returncode, "record again" in again.stderr) == (ExitCode.FAILED, True)
    refused = trackteroid("release", ids[2], env=env)
    assert_one_clear_line(refused, ExitCode.FAILED)
    assert trackteroid("release", "nobody-knows", env=env).returncode == ExitCode.NOT_FOUND
    misspelt = trackteroid("enqueue", str(recording(tmp_path)), "--depends-on", "no-such.dbm", env=env)
    assert_one_clear_line(misspelt, ExitCode.NOT_FOUND, "no-such.dbm")
    for earlier in (ids[0], str(first)):
        dependent = trackteroid("enqueue", str(recording(tmp_path)), "--depends-on", earlier, env=env).stdout.strip()
        waiting = ledger.get(dependent).waiting
        assert waiting is not None and waiting.commit_id == ids[0]


def test_without_redis_a_release_waits_in_the_spool_and_says_so(env: Mapping[str, str], tmp_path: Path) -> None:
    away = {**env, "TRACKTEROID_REDIS_URL": "redis://127.0.0.1:1/0"}
    path = recording(tmp_path)
    assert trackteroid("enqueue", str(path), "--hold", env=away).returncode == ExitCode.SPOOLED
    released = trackteroid("release", str(path), env=away)
    assert released.returncode == ExitCode.SPOOLED
    assert "order to release it waits in the spool: The Redis at redis://127.0.0.1:1/0" in released.stderr
    assert len(list((tmp_path / "spool").glob("*.spooled"))) == 2
    other = recording(tmp_path)
    released = trackteroid("release", "some-id", str(other), env=away)
    assert released.returncode == ExitCode.UNAVAILABLE
    assert released.stdout.split() == [read_recording(other).recording_id]
    assert len(list((tmp_path / "spool").glob("*.spooled"))) == 4


def test_what_waits_in_this_nodes_spool_can_be_released_and_cancelled_by_its_id(
    ledger: RedisLedger, env: Mapping[str, str], tmp_path: Path
) -> None:
    settings = Settings(redis_url=env["TRACKTEROID_REDIS_URL"], spool_folder=env["TRACKTEROID_SPOOL"])

    def held_while_away() -> str:
        away = {**env, "TRACKTEROID_REDIS_URL": "redis://127.0.0.1:1/0"}
        done = trackteroid("enqueue", str(recording(tmp_path)), "--hold", "--priority", "7", env=away)
        spool = open_spool(settings)
        (entry,) = spool.waiting()
        # As if it had been this Redis that was away.
        item = replace(spool.read(entry), redis_url=address(settings))
        entry.path.unlink()
        spool.accept(item)
        return done.stdout.strip()

    first = held_while_away()
    released = trackteroid("release", first, env=env)
    assert (released.returncode, released.stdout.split()) == (0, [first]), released.stderr
    assert (ledger.get(first).state, ledger.get(first).priority) == (CommitState.QUEUED, 7)
    second = held_while_away()
    assert trackteroid("commits", "cancel", second, env=env).returncode == 0
    assert ledger.get(second).state is CommitState.CANCELLED


def test_holding_and_waiting_exclude_each_other(env: Mapping[str, str], tmp_path: Path) -> None:
    done = trackteroid("enqueue", str(recording(tmp_path)), "--hold", "--wait", "1", env=env)
    assert done.returncode == ExitCode.USAGE
