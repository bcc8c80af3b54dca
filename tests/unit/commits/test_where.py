"""Finding a publish by what people know of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import FakeClock
from tests.support.recordings import create, recorded
from trackteroid.commits.commit import Commit, CommitError, CommitFacts
from trackteroid.commits.filtering import CommitFilter
from trackteroid.commits.ledger import Doubt
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.payload import compress
from trackteroid.commits.spool import Spool, SpooledRecording
from trackteroid.commits.state import CommitState
from trackteroid.commits.submission import Terms
from trackteroid.commits.where import Place, find_in_ledger, find_in_spool
from trackteroid.commits.words import fits_words, words_of_facts

SERVER = "https://studio.example"


def facts(**changes: Any) -> CommitFacts:
    context = {
        "project": "Big Comp",
        "parents": "sq010, bc0010",
        "asset": "bc0010_comp",
        "version": "12",
        "paths": ["/mnt/shows/bc/bc0010/v012/beauty.%04d.exr", "P:\\shows\\bc\\Plate.mov"],
    }
    given = {"user": "Anna.B@studio.example", "host": "node7", "context": context, "labels": {"farm_job": "4711"}}
    return CommitFacts(operations=1, **{**given, **changes})


@pytest.mark.parametrize(
    "words",
    [
        ["bc0010"],
        ["BC0010_Comp"],
        ["comp", "v12"],
        ["v012"],
        ["v0012"],
        ["12"],
        ["big comp"],
        ["sq010", "anna"],
        ["anna.b@studio.example"],
        ["4711"],
        ["beauty"],
        ["plate.mov"],
        ["bc00*", "*.mov"],
        ["node?"],
    ],
)
def test_a_publish_is_found_by_what_people_say(words: list[str]) -> None:
    assert fits_words(words, words_of_facts(facts()))


@pytest.mark.parametrize("words", [["bc001"], ["comp", "v13"], ["v1"], ["bob"], ["bc0020*"], [""]])
def test_another_one_is_not(words: list[str]) -> None:
    assert not fits_words(words, words_of_facts(facts()))


def ledger() -> MemoryLedger:
    made = MemoryLedger(SERVER, clock=FakeClock())
    made.enqueue("one", digest="d", payload=b"x", facts=facts(), hold=True, actor="submitter of anna")
    made.enqueue("two", digest="d", payload=b"x", facts=facts(user="bob", labels={"farm_job": "4712"}))
    return made


def found(source: MemoryLedger, *words: str, **wanted: Any) -> list[Place]:
    return find_in_ledger(source, words, CommitFilter(**wanted), now=0.0, limit=10)


def test_words_and_options_must_all_fit() -> None:
    source = ledger()
    assert {place.commit.id for place in found(source, "bc0010")} == {"one", "two"}
    assert [place.commit.id for place in found(source, "bc0010", user="bob")] == ["two"]
    assert [place.commit.id for place in found(source, labels={"farm_job": "4711"})] == ["one"]
    assert found(source, "one") and not found(source, "three")


def test_a_held_one_says_how_to_release_it_and_who_held_it() -> None:
    (place,) = found(ledger(), "anna")
    assert (place.state, place.wanted_version, place.next_attempt) == ("held", "12", None)
    assert place.reason == "Waits for its render: trackteroid release one"
    assert place.history == (
        "recorded by Anna.B@studio.example on node7",
        "hold by submitter of anna",
    )


def test_one_that_is_retried_says_why_and_when() -> None:
    source = ledger()
    claim = source.claim("w", lease_seconds=60)
    assert claim is not None
    error = CommitError(kind="transient", error_class="Timeout", message="ftrack does not answer.")
    source.retry(claim, delay=30, error=error, doubt=Doubt.NONE)
    (place,) = found(source, "bob")
    assert (place.state, place.reason) == ("retrying", "ftrack does not answer.")
    assert place.next_attempt == claim.now + 30


def test_a_committed_one_is_found_by_the_number_that_it_was_given() -> None:
    source = ledger()
    claim = source.claim("w", lease_seconds=60)
    assert claim is not None
    source.complete(claim, result={"versions": {"id": 17}, "notes": ["status was kept"]})
    (place,) = found(source, "bob", "v017")
    assert (place.state, place.versions, place.reason) == ("committed", (17,), "status was kept")


def spooled(folder: Path, commit_id: str, **terms: Any) -> SpooledRecording:
    recording = recorded(create("Note", commit_id), recording_id=commit_id)
    return SpooledRecording(
        commit_id=commit_id,
        digest=recording.digest,
        server_url=SERVER,
        redis_url="redis://r",
        payload=compress(recording.to_payload(), limit=10**6),
        reason="Redis is away.",
        terms=Terms(**terms),
    )


def test_what_waits_in_a_spool_is_found_with_its_reason(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.accept(spooled(tmp_path, "rec-1"))
    spool.accept(spooled(tmp_path, "rec-2", hold=True))
    places, complaints = find_in_spool(spool, ["anna"], CommitFilter(), server_url=SERVER, payload_limit=10**6, now=0.0)
    assert complaints == []
    assert {(place.commit.id, place.state, place.reason) for place in places} == {
        ("rec-1", "spooled", "Waits in the spool: Redis is away."),
        ("rec-2", "spooled", "Waits in the spool: Redis is away. (It is held.)"),
    }
    assert find_in_spool(spool, ["bob"], CommitFilter(), server_url=SERVER, payload_limit=10**6, now=0.0) == ([], [])
    elsewhere = find_in_spool(spool, ["anna"], CommitFilter(), server_url="https://other", payload_limit=10**6, now=0.0)
    assert elsewhere == ([], [])


def test_the_release_on_one_server_is_none_on_another(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for server in (SERVER, "https://staging.example"):
        spool.accept(replace(spooled(tmp_path, "rec-1", hold=True), server_url=server))
    spool.accept(replace(spooled(tmp_path, "rec-1"), kind="release", digest="", payload=b"{}"))
    places, _ = find_in_spool(spool, [], CommitFilter(), server_url=None, payload_limit=10**6, now=0.0)
    assert {place.commit.server_url: place.reason.partition("away. ")[2] for place in places} == {
        SERVER: "(Its release waits there too.)",
        "https://staging.example": "(It is held.)",
    }


def test_what_waits_in_a_spool_has_an_age_too(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = Spool(tmp_path, clock=clock)
    spool.accept(spooled(tmp_path, "old"))
    clock.advance(3600)
    spool.accept(spooled(tmp_path, "new"))

    def found(**ages: float) -> list[str]:
        wanted = CommitFilter(**ages)  # type: ignore[arg-type]
        places, _ = find_in_spool(spool, [], wanted, server_url=SERVER, payload_limit=10**6, now=clock.now)
        return [place.commit.id for place in places]

    assert found() == ["new", "old"]
    assert (found(newer_than=60.0), found(older_than=60.0)) == (["new"], ["old"])


def test_a_damaged_file_in_the_spool_hides_nothing_else(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.accept(spooled(tmp_path, "rec-1"))
    (tmp_path / "broken.spooled").write_bytes(b"?")
    places, complaints = find_in_spool(spool, [], CommitFilter(), server_url=SERVER, payload_limit=10**6, now=0.0)
    assert [place.commit.id for place in places] == ["rec-1"]
    assert len(complaints) == 1 and "broken.spooled" in complaints[0]


def test_the_facts_are_plain_json_values() -> None:
    commit = Commit(
        id="a", state=CommitState.DEAD, digest="d", server_url=SERVER, facts=facts(), created_at=1.0, updated_at=1.0
    )
    shown = Place(commit=commit).as_dict()
    assert (shown["place"], shown["state"], shown["versions"], shown["wanted_version"]) == ("ledger", "dead", [], "12")
