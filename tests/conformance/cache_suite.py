"""What every cache backend does."""

from __future__ import annotations

import time

import pytest
import redis as redis_client

from tests.support.clock import FakeClock
from trackteroid.cache.backends import OPEN, Alone, Busy, CacheBackend, Entry, Found, Lead, Look
from trackteroid.cache.redis_backend import RedisBackend

__all__ = ["CacheBackendSuite", "RedisBackendSuite"]


def look(token: str = "me", **changes: object) -> Look:
    return Look(
        **{"key": "key", "tags": ("Task", "Show"), "hard": ("server",), "token": token, "lease": 2.0, **changes}
    )  # type: ignore[arg-type]


def lead(backend: CacheBackend, question: Look) -> Lead:
    outcome = backend.look(question)
    assert isinstance(outcome, Lead)
    return outcome


def keep(backend: CacheBackend, question: Look, payload: bytes = b"\x00payload", ttl: float = 60) -> bool:
    """Get the lead and store an answer."""
    outcome = lead(backend, question)
    return backend.store(question, Entry(payload, outcome.stamps, outcome.asked_at), ttl)


class CacheBackendSuite:
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    # Entries

    def test_who_misses_gets_the_lead_and_the_stamps_of_all_tags(self, backend: CacheBackend, clock: FakeClock) -> None:
        outcome = lead(backend, look())
        assert set(outcome.stamps) == {"Task", "Show", "server"}
        assert outcome.asked_at == pytest.approx(clock.now)
        assert outcome.stamps == backend.stamps(["Task", "Show", "server"])

    def test_a_stored_entry_is_found_with_its_stamps_and_age(self, backend: CacheBackend, clock: FakeClock) -> None:
        assert keep(backend, look())
        clock.advance(3)
        found = backend.look(look("another"))
        assert isinstance(found, Found)
        assert (found.payload, found.valid) == (b"\x00payload", True)
        assert found.age == pytest.approx(3)
        assert backend.holds(found.stamps)

    def test_raising_a_tag_makes_its_entries_misses_and_leaves_the_others(self, backend: CacheBackend) -> None:
        keep(backend, look(key="task", tags=("Task",)))
        keep(backend, look(key="user", tags=("User",)))
        backend.raise_(["Task"])
        assert isinstance(backend.look(look(key="task", tags=("Task",))), Lead)
        assert isinstance(backend.look(look(key="user", tags=("User",))), Found)

    def test_an_entry_ends_after_its_time(self, backend: CacheBackend) -> None:
        # Redis itself forgets it, by its own clock: the shortest time there is.
        keep(backend, look(), ttl=0.001)
        clock_of(backend, 0.01)
        assert isinstance(backend.look(look("another")), Lead)

    def test_an_answer_whose_stamps_changed_meanwhile_is_not_kept(self, backend: CacheBackend) -> None:
        outcome = lead(backend, look())
        backend.raise_(["Task"])
        assert not backend.store(look(), Entry(b"old", outcome.stamps, outcome.asked_at), 60)
        assert isinstance(backend.look(look("another")), Lead)

    def test_nothing_is_kept_under_an_open_tag_and_its_entries_are_misses(self, backend: CacheBackend) -> None:
        keep(backend, look())
        backend.open(["Task"], 60, "writer")
        outcome = lead(backend, look())
        assert outcome.stamps["Task"].startswith(OPEN)
        assert not backend.store(look(), Entry(b"2", outcome.stamps, outcome.asked_at), 60)
        assert isinstance(backend.look(look("another")), Lead)

    def test_a_tag_left_open_becomes_storable_after_its_time(self, backend: CacheBackend) -> None:
        backend.open(["Task"], 0.001, "writer")
        clock_of(backend, 0.01)
        assert keep(backend, look())

    def test_a_tag_stays_open_until_the_last_who_changes_it_has_raised_it(self, backend: CacheBackend) -> None:
        backend.open(["Task"], 60, "one")
        backend.open(["Task", "Show"], 60, "other")
        backend.raise_(["Task"], "one")
        assert not keep(backend, look())
        assert not backend.holds(backend.stamps(["Task"]))
        backend.raise_(["Task", "Show"], "other")
        assert keep(backend, look())

    def test_who_changes_nothing_itself_raises_a_tag_and_leaves_it_open(self, backend: CacheBackend) -> None:
        backend.open(["Task"], 60, "writer")
        before = backend.stamps(["Task"])
        backend.raise_(["Task", "Show"])
        assert backend.stamps(["Task"]) != before
        assert not keep(backend, look())
        assert backend.holds(backend.stamps(["Show"]))
        backend.raise_(["Task"], "writer")
        assert keep(backend, look())

    def test_one_who_died_while_changing_a_tag_keeps_it_open_no_longer_than_it_said(
        self, backend: CacheBackend, clock: FakeClock
    ) -> None:
        backend.open(["Task"], 5, "dead")
        clock.advance(3)
        backend.open(["Task"], 60, "alive")
        clock.advance(3)
        backend.raise_(["Task"], "alive")
        assert keep(backend, look())

    def test_who_changes_a_tag_for_a_moment_cuts_nobodys_time_short(self, backend: CacheBackend) -> None:
        backend.open(["Task", "Show"], 60, "one")
        backend.open(["User", "Task"], 0.001, "other")
        clock_of(backend, 0.01)
        assert not keep(backend, look(key="task", tags=("Task",)))
        assert keep(backend, look(key="user", tags=("User",)))

    def test_the_living_keep_a_tag_open_and_the_dead_do_not(self, backend: CacheBackend, clock: FakeClock) -> None:
        backend.open(["Task", "Show"], 5, "dead")
        backend.open(["Task"], 60, "alive")
        clock.advance(6)
        backend.raise_(["Task", "Show"], "a third")
        assert not keep(backend, look(key="task", tags=("Task",)))
        assert keep(backend, look(key="show", tags=("Show",)))
        backend.raise_(["Task"], "alive")
        assert keep(backend, look(key="task", tags=("Task",)))

    def test_very_many_tags_are_opened_and_raised(self, backend: CacheBackend) -> None:
        tags = [f"tag{number}" for number in range(2500)]
        backend.open(tags[-1:], 60, "one")
        backend.open(tags, 60, "other")
        backend.raise_(tags, "other")
        assert not backend.holds(backend.stamps(tags[-1:]))
        assert backend.holds(backend.stamps(tags[:-1]))

    def test_what_was_kept_before_a_mark_that_ended_by_itself_stays_a_miss(self, backend: CacheBackend) -> None:
        keep(backend, look())
        backend.open(["Task"], 0.001, "dead")
        clock_of(backend, 0.01)
        assert isinstance(backend.look(look()), Lead)

    def test_the_same_writer_may_open_twice(self, backend: CacheBackend) -> None:
        backend.open(["Task"], 60, "writer")
        backend.open(["Task"], 60, "writer")
        backend.raise_(["Task"], "writer")
        assert keep(backend, look())

    def test_marks_are_there_when_they_have_been_waited_for(self, backend: CacheBackend) -> None:
        keep(backend, look())
        opening = backend.start_open(["Task"], 60, "writer")
        opening.wait()
        opening.give_up()
        assert isinstance(backend.look(look()), Lead)
        backend.raise_(["Task"], "writer")

    def test_marks_that_nobody_waited_for_end_with_their_writers_too(self, backend: CacheBackend) -> None:
        backend.start_open(["Task"], 60, "writer").give_up()
        backend.open(["Task"], 60, "writer")
        backend.raise_(["Task"], "writer")
        assert keep(backend, look())

    def test_storing_again_replaces(self, backend: CacheBackend) -> None:
        keep(backend, look(), b"1")
        backend.raise_(["Task"])
        keep(backend, look(), b"2")
        found = backend.look(look())
        assert isinstance(found, Found)
        assert found.payload == b"2"

    def test_a_discarded_entry_is_gone(self, backend: CacheBackend) -> None:
        keep(backend, look())
        backend.discard("key")
        assert isinstance(backend.look(look()), Lead)

    def test_holds_says_whether_all_stamps_are_the_present_ones(self, backend: CacheBackend) -> None:
        stamps = dict(lead(backend, look()).stamps)
        assert backend.holds(stamps)
        assert not backend.holds({"Task": stamps["Task"], "never seen": "x"})
        backend.raise_(["Show"])
        assert not backend.holds(stamps)
        assert backend.holds({"Task": stamps["Task"]})

    def test_open_stamps_never_hold(self, backend: CacheBackend) -> None:
        backend.open(["Task"], 60, "writer")
        assert not backend.holds(backend.stamps(["Task"]))

    # Staleness that is welcome

    def test_an_old_answer_will_do_where_it_is_welcome(self, backend: CacheBackend, clock: FakeClock) -> None:
        keep(backend, look())
        clock.advance(5)
        backend.raise_(["Task"])
        found = backend.look(look("another", max_stale=10.0))
        assert isinstance(found, Found)
        assert not found.valid
        assert isinstance(backend.look(look("another", max_stale=4.0)), Lead)

    def test_an_old_answer_will_not_do_once_a_hard_tag_is_raised_or_open(self, backend: CacheBackend) -> None:
        keep(backend, look())
        backend.raise_(["server"])
        assert isinstance(backend.look(look(max_stale=10.0)), Lead)
        keep(backend, look())
        backend.open(["server"], 60, "writer")
        assert isinstance(backend.look(look(max_stale=10.0)), Lead)

    # One asks, the others wait

    def test_of_all_who_miss_one_gets_the_lead(self, backend: CacheBackend, clock: FakeClock) -> None:
        lead(backend, look("first"))
        busy = backend.look(look("second"))
        assert isinstance(busy, Busy)
        assert busy.at == pytest.approx(clock.now)
        assert isinstance(backend.look(look("third", key="another key")), Lead)

    def test_those_who_wait_find_the_answer(self, backend: CacheBackend, clock: FakeClock) -> None:
        outcome = lead(backend, look("first"))
        busy = backend.look(look("second"))
        assert isinstance(busy, Busy)
        assert backend.store(look("first"), Entry(b"1", outcome.stamps, outcome.asked_at), 60)
        found = backend.look(look("second", waiting_since=busy.at))
        assert isinstance(found, Found)
        assert found.valid

    def test_who_gives_up_leaves_the_lead_to_the_next(self, backend: CacheBackend) -> None:
        lead(backend, look("first"))
        backend.give_up(look("second"))
        assert isinstance(backend.look(look("second")), Busy)
        backend.give_up(look("first"))
        lead(backend, look("second"))
        assert isinstance(backend.look(look("third")), Busy)

    def test_the_lead_of_one_who_died_ends_by_itself(self, backend: CacheBackend) -> None:
        lead(backend, look("first", lease=0.001))
        clock_of(backend, 0.01)
        lead(backend, look("second"))

    def test_a_renewed_lead_goes_on(self, backend: CacheBackend) -> None:
        lead(backend, look("first", lease=0.05))
        assert backend.renew(look("first", lease=60.0))
        clock_of(backend, 0.1)
        assert isinstance(backend.look(look("second")), Busy)

    def test_a_lost_lead_cannot_be_renewed_and_its_answer_is_kept_if_it_still_holds(
        self, backend: CacheBackend
    ) -> None:
        outcome = lead(backend, look("first", lease=0.001))
        clock_of(backend, 0.01)
        lead(backend, look("second", lease=60.0))
        assert not backend.renew(look("first"))
        assert backend.store(look("first"), Entry(b"1", outcome.stamps, outcome.asked_at), 60)
        assert isinstance(backend.look(look("third")), Found)
        assert backend.renew(look("second", lease=60.0))

    def test_an_answer_that_may_not_be_kept_does_for_those_who_waited_before_it_was_asked_for(
        self, backend: CacheBackend, clock: FakeClock
    ) -> None:
        lead(backend, look("first"))
        early = backend.look(look("early"))
        assert isinstance(early, Busy)
        backend.give_up(look("first"))
        clock.advance(1)
        outcome = lead(backend, look("next"))
        clock.advance(1)
        late = backend.look(look("late"))
        assert isinstance(late, Busy)
        backend.raise_(["Task"])
        assert not backend.store(look("next"), Entry(b"1", outcome.stamps, outcome.asked_at), 60)
        found = backend.look(look("early", waiting_since=early.at))
        assert isinstance(found, Found)
        assert (found.payload, found.valid) == (b"1", False)
        lead(backend, look("late", waiting_since=late.at))

    def test_an_answer_of_one_who_waited_itself_is_kept_for_others_who_may_still_wait(
        self, backend: CacheBackend, clock: FakeClock
    ) -> None:
        lead(backend, look("first"))
        waiting = [backend.look(look(token)) for token in ("second", "third")]
        assert all(isinstance(each, Busy) for each in waiting)
        clock.advance(1)
        backend.give_up(look("first"))
        outcome = lead(backend, look("second", waiting_since=clock.now - 1))
        backend.raise_(["Task"])
        assert not backend.store(look("second"), Entry(b"1", outcome.stamps, outcome.asked_at), 60)
        assert isinstance(backend.look(look("third", waiting_since=clock.now - 1)), Found)

    def test_nobody_is_handed_an_answer_after_a_hard_tag_was_raised(
        self, backend: CacheBackend, clock: FakeClock
    ) -> None:
        since = clock.now
        clock.advance(1)
        outcome = lead(backend, look("first"))
        assert isinstance(backend.look(look("second")), Busy)
        backend.raise_(["server"])
        assert not backend.store(look("first"), Entry(b"1", outcome.stamps, outcome.asked_at), 60)
        lead(backend, look("second", waiting_since=since))

    def test_an_answer_that_may_not_be_kept_stays_for_those_who_waited_while_the_next_one_asks(
        self, backend: CacheBackend, clock: FakeClock
    ) -> None:
        """Else whoever comes takes it away from those who have not looked yet, as long as commits come."""
        since = clock.now
        clock.advance(1)
        outcome = lead(backend, look("first"))
        assert isinstance(backend.look(look("waiting")), Busy)
        backend.raise_(["Task"])
        assert not backend.store(look("first"), Entry(b"1", outcome.stamps, outcome.asked_at), 60)
        clock.advance(1)
        lead(backend, look("who comes now"))
        found = backend.look(look("waiting", waiting_since=since))
        assert isinstance(found, Found)
        assert (found.payload, found.valid, found.age) == (b"1", False, pytest.approx(1))
        # Not for who came after it was asked for.
        assert isinstance(backend.look(look("late")), Busy)
        assert isinstance(backend.look(look("late", waiting_since=clock.now)), Busy)

    @pytest.mark.parametrize("raised", ["Task", "server"])
    def test_a_kept_answer_that_a_commit_made_old_does_for_who_waited_before_it_was_asked_for(
        self, backend: CacheBackend, clock: FakeClock, raised: str
    ) -> None:
        since = clock.now
        clock.advance(1)
        keep(backend, look("first"))
        backend.raise_([raised])
        clock.advance(1)
        lead(backend, look("who comes now"))
        found = backend.look(look("waiting", waiting_since=since))
        if raised == "server":
            # Its user may have been shut out.
            assert isinstance(found, Busy)
        else:
            assert isinstance(found, Found)
            assert not found.valid
        assert isinstance(backend.look(look("late", waiting_since=since + 1)), Busy)

    @pytest.mark.parametrize("wanted", [{}, {"max_stale": 60.0}, {"waiting_since": 1.0}], ids=str)
    def test_an_old_answer_from_a_time_to_come_does_for_nobody(
        self, backend: CacheBackend, clock: FakeClock, wanted: dict[str, float]
    ) -> None:
        """The clock was put back, or another Redis took over: nobody knows what came first."""
        clock.advance(10)
        keep(backend, look("first"))
        backend.raise_(["Task"])
        clock.advance(-5)
        lead(backend, look("second", **wanted))

    def test_nobody_waits_for_what_is_too_large(self, backend: CacheBackend) -> None:
        lead(backend, look("first"))
        assert isinstance(backend.look(look("second")), Busy)
        backend.too_large(look("first"))
        assert backend.look(look("second")) == Alone("large")
        assert backend.look(look("third")) == Alone("large")

    # Statistics

    def test_counts_add_up_for_each_server(self, backend: CacheBackend) -> None:
        assert backend.counts("one") == {}
        backend.count("one", {"hits": 2, "misses": 1})
        backend.count("one", {"hits": 3})
        backend.count("another", {"hits": 1})
        assert backend.counts("one") == {"hits": 5, "misses": 1}


class RedisBackendSuite(CacheBackendSuite):
    """What others may have left in a Redis is no obstacle. Has a fixture `client` of the backend's Redis."""

    @pytest.mark.parametrize("others", [(), ("somebody",)], ids=["alone", "beside another"])
    def test_garbage_where_writers_are_kept_goes_when_a_tag_is_opened(
        self, backend: CacheBackend, client: redis_client.Redis, others: tuple[str, ...]
    ) -> None:
        for other in others:
            backend.open(["Show"], 60, other)
        leave_garbage(client)
        backend.open(["Task", "Show"], 60, "writer")
        assert client.zrange(writers("Task"), 0, -1) == [b"writer"]
        assert not keep(backend, look())
        for writer in (*others, "writer"):
            backend.raise_(["Task", "Show"], writer)
        assert client.keys(writers("*")) == []
        assert keep(backend, look())

    @pytest.mark.parametrize("writer", ["writer", None])
    def test_garbage_where_writers_are_kept_goes_when_a_tag_is_raised(
        self, backend: CacheBackend, client: redis_client.Redis, writer: str | None
    ) -> None:
        leave_garbage(client)
        backend.open(["Show"], 60, "another")
        backend.raise_(["Task", "Show"], writer)
        assert client.keys(writers("*")) == [writers("Show").encode()]
        assert keep(backend, look(tags=("Task",)))

    def test_who_is_not_believed_any_more_is_not_kept(
        self, backend: CacheBackend, client: redis_client.Redis, clock: FakeClock
    ) -> None:
        """However many die where somebody is always changing a tag."""
        backend.open(["Task"], 5, "dead")
        backend.open(["Task"], 60, "alive")
        clock.advance(6)
        backend.open(["Task"], 60, "another")
        backend.raise_(["Task"], "another")
        assert client.zrange(writers("Task"), 0, -1) == [b"alive"]


def leave_garbage(client: redis_client.Redis) -> None:
    client.set(writers("Task"), "garbage")


def writers(tag: str) -> str:
    return f"trackteroid:cache:2:writers:{tag}"


def clock_of(backend: CacheBackend, seconds: float) -> None:
    """Let time pass by the clock by which the backend forgets."""
    clock = getattr(backend, "_clock", None)
    if isinstance(clock, FakeClock):
        clock.advance(seconds)
    # What Redis forgets, it forgets by its own clock; hundredths of a second.
    until = time.monotonic() + (seconds if isinstance(backend, RedisBackend) else 0.0)
    while time.monotonic() < until:
        pass
