"""A farm in one process: sessions of several users that share a cache, a server that is the sandbox's core, and what each of
them may be told at any moment.

The truth is asked of the server after every change, for every question and user; an answer is right if it was the truth at some
moment that is not before the last commit which was reported as done before it was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import redis

from tests.support.clock import FakeClock
from tests.support.local_session import stock_schemas
from trackteroid.cache.backends import Opened
from trackteroid.cache.connection import CacheConnection
from trackteroid.cache.namespaces import namespace_of
from trackteroid.cache.query_cache import Answer, QueryCache
from trackteroid.cache.redis_backend import RedisBackend
from trackteroid.cache.single_flight import WaitingRoom
from trackteroid.cache.tags import Tags
from trackteroid.errors import CacheTimeoutError, CacheUnavailableError
from trackteroid.sandbox.errors import ApiError, InvalidCredentialsError

__all__ = ["QUESTIONS", "USERS", "Farm", "Member"]

TAGS = Tags(stock_schemas())

#: Of the sandbox's demo seed: who sees all, who does not see the project `teaser`, who does.
USERS = {"sandbox": "sandbox-key", "anna": "anna-key", "ben": "ben-key"}

QUESTIONS = (
    "select name, description, status.name from Shot order by name",
    "select full_name from Project",
    "select asset.name, version, is_latest_version from AssetVersion order by asset.name, version",
    "select name, parent.name from Asset where versions any (version >= 1)",
    "select link from TypedContext",
    'select id, name from Component where version.asset.parent[Shot].name like "%"',
    "select content, author.username from Note",
    "select name, descendants.name from Project",
    'select id from Task where assignments any (resource.username is "ben")',
    "select latest_version.version, latest_version.comment from Asset",
    "select resource_identifier, component.version.task.name from ComponentLocation",
    'select name from Shot where id in (select parent_id from Task where status.name is_not "Approved")',
    "select metadata.key, metadata.value from Shot",
    "select custom_attributes from Shot limit 2",
)


class _Link(RedisBackend):
    """One member's way to Redis, which can be cut; or `late`: everything is done, and so many replies come too late."""

    def __init__(self, client: redis.Redis, clock: Callable[[], float]) -> None:
        super().__init__(client, clock=clock)
        self.cut = False
        self.late = 0
        self.opened = 0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in _METHODS:
            return found

        def told(*arguments: Any, **options: Any) -> Any:
            if self.cut:
                raise CacheUnavailableError("Redis is away.")
            answer = found(*arguments, **options)
            if name == "start_open":
                answer.wait()
                answer = Opened()
                self.opened += 1
            if self.late:
                self.late -= 1
                raise CacheTimeoutError("Redis is late.")
            return answer

        return told


# Not `renew`: a thread calls that whenever it has its turn, and a story must be the same when it is told again.
_METHODS = frozenset(
    {"look", "store", "too_large", "give_up", "discard", "holds", "start_open", "raise_", "count", "counts"}
)


# Less than what the cache promises by its own clock.
_MARKED_SECONDS = 110.0


@dataclass
class Member:
    """A session: who it belongs to and what it keeps."""

    user: str
    link: _Link
    connection: CacheConnection
    cache: QueryCache


@dataclass
class Flight:
    """A commit that is under way: since when the server has its effect, None while it hasn't.

    Its marks are there until a time, 0: they are not. If they were there when the server acted, nothing that was kept before is
    used any more, though nobody may be told of the commit for long.
    """

    member: Member
    batch: list[dict[str, Any]]
    ending: Iterator[None]
    applied_at: int | None = None
    marked_until: float = 0.0
    was_marked: bool = False


@dataclass
class Farm:
    """See the module.

    Args:
        handle: The server: a batch of a user (name, key) -> its results.
        client: Makes a client of the Redis that all share.
        clock: Of everybody.
    """

    handle: Callable[[list[Any], str, str], Any]
    client: Callable[[], redis.Redis]
    clock: FakeClock
    members: list[Member] = field(default_factory=list)
    truths: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    flights: list[Flight] = field(default_factory=list)
    # Member -> the first state of which somebody has not been told.
    owed: dict[int, int] = field(default_factory=dict)
    now: int = 0
    hits: int = 0

    def start(self) -> None:
        for question in QUESTIONS:
            for user in USERS:
                self.truths[question, user] = [self.truth(question, user)]
        for user in ("sandbox", "anna", "ben", "sandbox"):
            self.join(user)

    def truth(self, question: str, user: str) -> str:
        try:
            return json.dumps(self.handle([{"action": "query", "expression": question}], user, USERS[user])[0]["data"])
        except InvalidCredentialsError:
            # Somebody has shut the user out; that is what they must be told from then on.
            return "shut out"

    def join(self, user: str) -> Member:
        link = _Link(self.client(), self.clock)
        connection = CacheConnection(link, longest_wait=0.01, monotonic=self.clock)
        connection.waiting_room = WaitingRoom(self._ticking)
        member = Member(user, link, connection, self._cache(user, connection))
        self.members.append(member)
        return member

    def _ticking(self) -> float:
        """Time passes while somebody waits, if only for a lead that was given to one who has not heard of it.

        It must not in a thread that renews leads: what happens in a story would hang on when that has its turn.
        """
        self.clock.advance(0.001)
        return self.clock()

    def _cache(self, user: str, connection: CacheConnection) -> QueryCache:
        namespace = namespace_of(api_user=user, api_key=USERS[user], schema_hash="h", name=None)
        return QueryCache(
            connection, server="s", namespace=namespace, tags=TAGS, ttl=3600, entry_limit=10**7, monotonic=self.clock
        )

    # Asking

    def ask(self, member: Member, question: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Ask, and check the answer.

        Args:
            meanwhile: Happens after the server has answered, before the answer is kept.
        """
        since = self._floor()
        hits = member.cache.statistics.hits

        def ask() -> Answer[str]:
            text = self.truth(question, member.user)
            meanwhile()
            return Answer(text, text)

        answer = member.cache.answer(question, ask, lambda text: text)
        self.hits += member.cache.statistics.hits - hits
        self._look_at_debts()
        allowed = self.truths[question, member.user][since:]
        assert answer in allowed, f"{member.user} was told what was before: {question}"

    def _floor(self) -> int:
        """The first state that somebody may be told who asks now."""
        under_way = [flight.applied_at - 1 for flight in self.flights if flight.applied_at is not None]
        return min([self.now, *under_way, *self.owed.values()])

    # Changing

    def begin(self, member: Member, batch: list[dict[str, Any]]) -> Flight:
        """The marks are set; the request has not left."""
        ending, opened = self._writing(member, batch), member.link.opened
        next(ending)
        # They are not where Redis was away, or too late with what comes first: what the member owes.
        is_marked = member.link.opened > opened
        flight = Flight(member, batch, ending, marked_until=self.clock() + _MARKED_SECONDS if is_marked else 0.0)
        self.flights.append(flight)
        return flight

    @staticmethod
    def _writing(member: Member, batch: list[dict[str, Any]]) -> Iterator[None]:
        with member.cache.writing(batch):
            yield

    def apply(self, flight: Flight) -> bool:
        """The server acts; False if it refuses."""
        try:
            self.handle(flight.batch, flight.member.user, USERS[flight.member.user])
        except ApiError:
            return False
        self.now += 1
        flight.applied_at = self.now
        flight.was_marked = self.clock() < flight.marked_until
        for (question, user), truths in self.truths.items():
            truths.append(self.truth(question, user))
        return True

    def end(self, flight: Flight) -> None:
        """The reply is here, or is not coming: the commit is reported."""
        self.flights.remove(flight)
        for _ in flight.ending:
            pass
        if flight.member.connection.owes("s") and not flight.was_marked:
            # From the state before this one on, unless an earlier debt is older.
            state = self.now if flight.applied_at is None else flight.applied_at - 1
            index = id(flight.member.connection)
            self.owed[index] = min(state, self.owed.get(index, state))
        self._look_at_debts()

    def commit(self, member: Member, batch: list[dict[str, Any]]) -> None:
        flight = self.begin(member, batch)
        self.apply(flight)
        self.end(flight)

    # Trouble

    def lose_marks(self) -> None:
        """Redis has forgotten everything."""
        for flight in self.flights:
            flight.marked_until = 0.0

    def reconnect(self, member: Member) -> None:
        member.cache.settle()
        member.cache = self._cache(member.user, member.connection)
        self._look_at_debts()

    def debts(self) -> bool:
        """Whether something has not been told."""
        self._look_at_debts()
        return bool(self.owed)

    def _look_at_debts(self) -> None:
        for member in self.members:
            if not member.connection.owes("s"):
                self.owed.pop(id(member.connection), None)
