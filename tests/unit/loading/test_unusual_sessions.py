"""Caches, key makers, plugins and patches: what is loaded in one pass, and what is left to the client."""

from __future__ import annotations

from typing import Any

import ftrack_api
import ftrack_api.cache
import ftrack_api.entity.base
import ftrack_api.entity.factory
import pytest

from tests.support.session_pair import Pair
from tests.unit.loading.conftest import Fallbacks, Open
from trackteroid.session import Session

QUESTIONS = (
    "select name, children.name, metadata, status.name, created_at from Shot",
    "select asset.name, components.name, custom_attributes, version from AssetVersion",
    "select name, parent.name, children from Shot",
    "Location",
)


class Recorded(ftrack_api.cache.MemoryCache):
    """A cache layer that remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Any] = []

    def set(self, key: Any, value: Any) -> None:
        self.writes.append((key, value))
        super().set(key, value)


def serialised(session: Any) -> ftrack_api.cache.SerialisedCache:
    return ftrack_api.cache.SerialisedCache(
        Recorded(),
        encode=lambda entity: session.encode(entity, entity_attribute_strategy="persisted_only"),
        decode=session.decode,
    )


def test_other_cache_layers_get_what_the_client_gives_them(
    connect: Open, monkeypatch: pytest.MonkeyPatch, fallbacks: Fallbacks
) -> None:
    theirs, ours = (connect(kind, cache=serialised) for kind in (ftrack_api.Session, Session))
    pair = Pair(theirs, ours, monkeypatch)
    for text in QUESTIONS:
        assert len({str(found) for found in pair.query(text)}) == 1
        pair.check(text)
    # What is only in the lower layer comes from there.
    for session in pair:
        session._local_cache.clear()
    pair.query(QUESTIONS[2])
    pair.check("from the layer")
    writes = [session.cache.caches[1].proxied.writes for session in pair]
    assert writes[0]
    assert writes[1] == writes[0]
    assert fallbacks() == []


def test_another_key_maker_is_asked_for_the_keys(
    connect: Open, monkeypatch: pytest.MonkeyPatch, fallbacks: Fallbacks
) -> None:
    makers = [ftrack_api.cache.ObjectKeyMaker() for _ in range(2)]
    theirs, ours = (
        connect(kind, cache_key_maker=maker) for kind, maker in zip((ftrack_api.Session, Session), makers, strict=True)
    )
    pair = Pair(theirs, ours, monkeypatch)
    for text in QUESTIONS:
        assert len({str(found) for found in pair.query(text)}) == 1
        pair.check(text)
    assert all(isinstance(key, bytes) for key in ours._local_cache._cache)
    assert fallbacks() == []


class Plain(ftrack_api.entity.base.Entity):
    def shout(self) -> str:
        return str(self["name"]).upper()


class Counting(ftrack_api.entity.base.Entity):
    merges = 0

    def merge(self, entity: Any, merged: Any = None) -> Any:
        type(self).merges += 1
        return super().merge(entity, merged=merged)


def plugin(tmp_path: Any, base: str) -> list[str]:
    (tmp_path / "plugin.py").write_text(
        "import ftrack_api.entity.factory\n"
        "from tests.unit.loading.test_unusual_sessions import Counting, Plain\n"
        "def register(session):\n"
        "    def construct(event):\n"
        "        schema = event['data']['schema']\n"
        "        if schema['id'] == 'Shot':\n"
        f"            return ftrack_api.entity.factory.StandardFactory().create(schema, bases=[{base}])\n"
        "    session.event_hub.subscribe('topic=ftrack.api.session.construct-entity-type', construct)\n"
    )
    return [str(tmp_path)]


def test_a_plugins_class_with_methods_of_its_own_is_loaded_in_one_pass(
    connect: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, fallbacks: Fallbacks
) -> None:
    paths = plugin(tmp_path, "Plain")
    theirs, ours = (connect(kind, plugin_paths=paths) for kind in (ftrack_api.Session, Session))
    pair = Pair(theirs, ours, monkeypatch)
    pair.query(QUESTIONS[0])
    pair.check("plugin")
    assert ours.query("Shot").first().shout()
    assert fallbacks() == []


def test_a_plugins_class_that_merges_in_its_own_way_is_loaded_by_the_client(
    connect: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, fallbacks: Fallbacks
) -> None:
    paths = plugin(tmp_path, "Counting")
    theirs, ours = (connect(kind, plugin_paths=paths) for kind in (ftrack_api.Session, Session))
    pair = Pair(theirs, ours, monkeypatch)
    pair.query(QUESTIONS[0])
    pair.check("plugin")
    merges = [session.types["Shot"].merges for session in pair]
    assert merges[0] == merges[1] > 0
    assert "has its own merge" in fallbacks()[0]
    # Other types are not concerned.
    before = len(fallbacks())
    pair.query("select name from Status")
    assert len(fallbacks()) == before


def test_a_patched_call_sees_entities(pair: Pair, monkeypatch: pytest.MonkeyPatch, fallbacks: Fallbacks) -> None:
    seen = []
    original = pair.ours.call

    def call(data: Any) -> Any:
        answer = original(data)
        seen.extend(type(entity).__name__ for entity in answer[0]["data"])
        return answer

    monkeypatch.setattr(pair.ours, "call", call, raising=False)
    pair.query("select name from Status limit 2")
    assert seen == ["Status", "Status"]
    pair.check("patched")
    assert "call() of this session" in fallbacks()[0]


def test_a_replaced_memory_cache_is_left_to_the_client(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, fallbacks: Fallbacks
) -> None:
    recorded = Recorded()
    monkeypatch.setattr(pair.ours.cache, "caches", [recorded])
    found = pair.ours.query("select name from Status limit 2").all()
    assert [entity for _, entity in recorded.writes] == found
    assert "cache is not the client's" in fallbacks()[0]
