from __future__ import annotations

import pytest

from tests.support.canned_server import SERVER_URL, CannedServer
from tests.support.clock import FakeClock
from tests.support.recordings import create, recorded
from trackteroid.commits.committer import Committer, CommitterPolicy
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.servers import normalise_server_url, refuse_other_server
from trackteroid.commits.state import CommitState
from trackteroid.errors import BadInputError, OtherServerError, SettingsError
from trackteroid.settings import Settings

ALIASES = (f"ftrack.internal={SERVER_URL}",)


@pytest.mark.parametrize(
    ("given", "normalised"),
    [
        ("https://Studio.FtrackApp.com/", "https://studio.ftrackapp.com"),
        ("https://studio.ftrackapp.com:443/api", "https://studio.ftrackapp.com"),
        ("studio", "https://studio.ftrackapp.com"),
        ("studio.ftrackapp.com", "https://studio.ftrackapp.com"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://ftrack:80", "http://ftrack"),
        ("https://user:secret@ftrack.local/x?y=1", "https://ftrack.local"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_every_spelling_of_a_server_gives_one_name(given: str, normalised: str) -> None:
    assert normalise_server_url(given) == normalised
    assert normalise_server_url(normalised) == normalised


def test_aliases_name_one_server() -> None:
    aliases = ("ftrack.internal=https://studio.ftrackapp.com",)
    assert normalise_server_url("https://FTRACK.internal/", aliases) == "https://studio.ftrackapp.com"
    assert normalise_server_url("https://other.example", aliases) == "https://other.example"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "set FTRACK_SERVER"),
        ("ftp://x", "expected http"),
        ("https://", "host name"),
        ("http://x:99999", "Port"),
        ("http://[::1", "IPv6"),
        ("http://half\ud800", "surrogates"),
    ],
)
def test_what_is_no_server_is_refused(given: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        normalise_server_url(given)


def test_a_bad_alias_is_named() -> None:
    with pytest.raises(SettingsError, match="TRACKTEROID_SERVER_ALIASES has 'nonsense'"):
        normalise_server_url("https://x.example", ("nonsense",))


def test_what_was_recorded_for_another_server_is_refused_with_what_to_do() -> None:
    with pytest.raises(OtherServerError, match="--server at the command line; if both are one server"):
        refuse_other_server("https://ftrack.internal", SERVER_URL)
    refuse_other_server("https://ftrack.internal", SERVER_URL, ALIASES)
    refuse_other_server(None, SERVER_URL)


# Workers that were not told that their server has two names


def recorded_under_the_other_name(ledger: MemoryLedger, count: int) -> None:
    for number in range(count):
        recording = recorded(
            create("AssetVersion", f"v{number}"), recording_id=f"rec-{number}", server_url="https://ftrack.internal"
        )
        enqueue(recording, ledger=ledger, settings=Settings(server_aliases=ALIASES), wake=False)


def test_a_worker_that_knows_only_one_name_says_which_setting_lists_both() -> None:
    ledger = MemoryLedger(SERVER_URL, clock=FakeClock())
    recorded_under_the_other_name(ledger, 1)
    server = CannedServer()
    outcome = Committer(server, ledger, owner="w").commit_next()
    assert outcome is not None and outcome.state is CommitState.DEAD
    error = ledger.get("rec-0").error
    assert error is not None and (error.kind, error.error_class) == ("permanent", "OtherServerError")
    assert error.message.startswith(f"It was recorded for https://ftrack.internal and enqueued for {SERVER_URL}.")
    assert "list them in the workers' TRACKTEROID_SERVER_ALIASES and restart the workers" in error.message
    assert server.writes == []
    # Nothing is lost: somebody does that, and it is committed.
    ledger.retry_dead("rec-0")
    told = CommitterPolicy(server_aliases=ALIASES)
    assert Committer(server, ledger, owner="w", policy=told).drain()[0].state is CommitState.COMMITTED


def test_and_none_of_many_dies_of_it() -> None:
    clock = FakeClock()
    ledger = MemoryLedger(SERVER_URL, clock=clock)
    recorded_under_the_other_name(ledger, 30)
    server = CannedServer()
    for aliases in ((), ALIASES):
        worker = Committer(
            server,
            ledger,
            owner="w",
            policy=CommitterPolicy(server_aliases=aliases),
            monotonic=clock,
            random=lambda: 0.0,
        )
        for _ in range(5):
            worker.drain(limit=100, seconds=1e9)
            clock.advance(60.0)
        if not aliases:
            assert ledger.counts()[CommitState.DEAD] == 0
            assert "TRACKTEROID_SERVER_ALIASES" in ledger.breaker().reason
    assert ledger.counts()[CommitState.COMMITTED] == 30
