"""Two sessions that are told the same: the official client's and ours, compared by what they have in memory."""

from __future__ import annotations

import itertools
import re
import types
import uuid
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import ftrack_api.entity.factory
import pytest

from tests.support.snapshots import described, operations, snapshot
from trackteroid.session import Session

__all__ = ["Pair"]

# Each step creates ids of its own, the same in both sessions.
_SEEDS = itertools.count()


class Pair:
    """The client's session (`theirs`) and ours (`ours`), each with a server of its own that holds the same."""

    def __init__(self, theirs: Any, ours: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.theirs = theirs
        self.ours = ours
        self._monkeypatch = monkeypatch

    def __iter__(self) -> Iterator[Any]:
        return iter((self.theirs, self.ours))

    @property
    def schemas(self) -> dict[str, Any]:
        return {schema["id"]: schema for schema in self.theirs.schemas}

    def both(self, work: Callable[[Any], Any]) -> list[Any]:
        """Let both do the same, with the same ids for what they create; return what came out, errors included."""
        outcomes = []
        seed = next(_SEEDS)
        for session in self:
            random = Random(seed)
            ids = types.SimpleNamespace(uuid4=lambda random=random: uuid.UUID(int=random.getrandbits(128), version=4))
            self._monkeypatch.setattr(ftrack_api.entity.factory, "uuid", ids)
            try:
                outcomes.append(work(session))
            except Exception as error:
                # Without the addresses of objects.
                outcomes.append(re.sub(r"(0x|object )[0-9a-f]+", r"\1...", f"{type(error).__name__}: {error}"))
        return outcomes

    def agree(self, work: Callable[[Any], Any]) -> Any:
        """Let both do the same, check that the same came of it, and return that."""
        theirs, ours = self.both(work)
        assert ours == theirs
        self.check("afterwards")
        return ours

    def query(self, text: str) -> list[Any]:
        """Return what both find, described."""
        return self.both(lambda session: [described(session, entity) for entity in session.query(text).all()])

    def check(self, what: str) -> None:
        """Assert that both have the same in memory and the same pending."""
        theirs, ours = snapshot(self.theirs), snapshot(self.ours)
        assert [key for key, _ in ours] == [key for key, _ in theirs], what
        for (key, mine), (_, client) in zip(ours, theirs, strict=True):
            # One aspect after the other: a difference is small beside what an entity holds.
            for aspect in client:
                if isinstance(client[aspect], dict):
                    differing = {
                        name: (mine[aspect].get(name), client[aspect].get(name))
                        for name in {**client[aspect], **mine[aspect]}
                        if mine[aspect].get(name) != client[aspect].get(name)
                    }
                    assert differing == {}, f"{what}: {key} (ours, the client's): {differing}"
                assert mine[aspect] == client[aspect], f"{what}: {key}: {mine[aspect]} {client[aspect]}"
        assert operations(self.ours) == operations(self.theirs), what

    def forget(self) -> None:
        """Empty both memories."""
        for session in self:
            session.recorded_operations.clear()
            session._local_cache.clear()
            session._configure_locations()
