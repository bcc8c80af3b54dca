from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackteroid.sandbox.credentials import Caller
from trackteroid.sandbox.events.hub import Hub, Routed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def hub() -> Hub:
    numbers = count()
    hub = Hub(new_id=lambda: f"made-{next(numbers)}")
    for name in ("ann", "ben", "cid"):
        hub.connect(name, Caller(user_id=f"id-of-{name}", username=name, api_key="key"))
    return hub


def subscribe(hub: Hub, name: str, expression: Any, subscriber: Any = None) -> Routed:
    data = {"subscriber": subscriber or {"id": f"{name}-1"}, "subscription": expression}
    return hub.publish(name, {"topic": "ftrack.meta.subscribe", "data": data})


def unsubscribe(hub: Hub, name: str, identifier: str) -> Routed:
    return hub.publish(name, {"topic": "ftrack.meta.unsubscribe", "data": {"subscriber": {"id": identifier}}})


def event(**values: Any) -> dict[str, Any]:
    return {"id": "e", "topic": "news", "data": {}, "source": {"id": "s"}, "target": "", **values}


def test_an_event_reaches_everybody_who_listens_the_sender_too(hub: Hub) -> None:
    subscribe(hub, "ann", "topic=news")
    subscribe(hub, "ben", "topic=n*")
    subscribe(hub, "cid", "topic=weather")

    routed = hub.publish("ann", event())

    assert routed.problem is None
    assert routed.recipients == ("ann", "ben")


def test_many_subscribers_of_one_connection_get_one_copy(hub: Hub) -> None:
    subscribe(hub, "ann", "topic=news", {"id": "1"})
    subscribe(hub, "ann", "topic=*", {"id": "2"})

    assert hub.publish("ben", event()).recipients == ("ann",)


def test_an_event_nobody_listens_to_is_fine(hub: Hub) -> None:
    assert hub.publish("ann", event()) == Routed(event=event())


def test_subscriptions_are_not_forwarded(hub: Hub) -> None:
    subscribe(hub, "ben", "topic=*")

    assert subscribe(hub, "ann", "topic=news") == Routed()
    assert unsubscribe(hub, "ann", "ann-1") == Routed()


def test_nothing_comes_after_unsubscribing(hub: Hub) -> None:
    subscribe(hub, "ann", "topic=news", {"id": "1"})
    subscribe(hub, "ann", "topic=weather", {"id": "2"})
    unsubscribe(hub, "ann", "1")

    assert hub.publish("ben", event()).recipients == ()
    assert hub.publish("ben", event(topic="weather")).recipients == ("ann",)


def test_unsubscribing_twice_is_no_mistake(hub: Hub) -> None:
    assert unsubscribe(hub, "ann", "never-there").problem is None


def test_nobody_can_unsubscribe_others(hub: Hub) -> None:
    subscribe(hub, "ann", "topic=news", {"id": "shared"})
    unsubscribe(hub, "ben", "shared")

    assert hub.publish("ben", event()).recipients == ("ann",)


def test_the_same_subscriber_again_replaces_its_subscription(hub: Hub) -> None:
    subscribe(hub, "ann", "topic=news")
    subscribe(hub, "ann", "topic=weather")

    assert hub.publish("ben", event()).recipients == ()
    assert hub.publish("ben", event(topic="weather")).recipients == ("ann",)


@pytest.mark.parametrize("expression", ["", "topic", "topic=x and", None, 5])
def test_a_wrong_subscription_fails_and_leaves_no_trace(hub: Hub, expression: Any) -> None:
    assert subscribe(hub, "ann", expression).problem
    assert hub.publish("ben", event()).recipients == ()


@pytest.mark.parametrize("topic", ["ftrack.meta.subscribe", "ftrack.meta.unsubscribe"])
@pytest.mark.parametrize("data", [None, [], {}, {"subscriber": "x"}, {"subscriber": {}}, {"subscriber": {"id": None}}])
def test_a_subscription_of_nobody_fails(hub: Hub, topic: str, data: Any) -> None:
    assert hub.publish("ann", {"topic": topic, "data": data}).problem


@pytest.mark.parametrize("value", [None, [], "text", {}, {"topic": None}, {"topic": 5}])
def test_what_is_no_event_is_refused(hub: Hub, value: Any) -> None:
    subscribe(hub, "ann", "not topic=x")

    routed = hub.publish("ann", value)

    assert routed.problem
    assert routed.recipients == ()


def test_a_target_chooses_among_subscribers(hub: Hub) -> None:
    subscribe(hub, "ann", "topic=news", {"id": "a", "applicationId": "maya", "user": {"username": "me"}})
    subscribe(hub, "ben", "topic=news", {"id": "b", "applicationId": "nuke", "user": {"username": "me"}})
    subscribe(hub, "cid", "topic=weather", {"id": "c", "applicationId": "maya", "user": {"username": "me"}})

    assert hub.publish("ann", event(target="id=b")).recipients == ("ben",)
    assert hub.publish("ann", event(target='applicationId=maya and user.username="me"')).recipients == ("ann",)
    assert hub.publish("ann", event(target="user.username=me")).recipients == ("ann", "ben")
    assert hub.publish("ann", event(target="id=nobody")).recipients == ()
    assert hub.publish("ann", event(target=None)).recipients == ("ann", "ben")


def test_the_same_subscriber_must_listen_and_be_meant(hub: Hub) -> None:
    subscribe(hub, "ann", "topic=news", {"id": "listens"})
    subscribe(hub, "ann", "topic=weather", {"id": "meant"})

    assert hub.publish("ben", event(target="id=meant")).recipients == ()


@pytest.mark.parametrize("target", ["id=", "id", ["id=a"], 5])
def test_a_wrong_target_is_refused(hub: Hub, target: Any) -> None:
    subscribe(hub, "ann", "topic=news")

    routed = hub.publish("ann", event(target=target))

    assert routed.problem is not None
    assert "target" in routed.problem
    assert routed.recipients == ()


def test_a_reply_reaches_the_hub_that_asked(hub: Hub) -> None:
    for name in ("ann", "ben"):
        subscribe(hub, name, "topic=ftrack.meta.reply", {"id": f"hub-of-{name}"})

    reply = event(topic="ftrack.meta.reply", target="id=hub-of-ann", inReplyToEvent="question")
    routed = hub.publish("ben", reply)

    assert routed.recipients == ("ann",)
    assert routed.event["inReplyToEvent"] == "question"


def test_a_closed_connection_gets_and_sends_nothing(hub: Hub) -> None:
    subscribe(hub, "ann", "topic=news")
    hub.disconnect("ann")
    hub.disconnect("ann")

    assert hub.publish("ben", event()).recipients == ()
    assert hub.publish("ann", event()).problem


def test_only_what_the_python_client_accepts_is_forwarded(hub: Hub) -> None:
    sent = event(sent=None, inReplyToEvent=None, data={"kept": {"as": ["it", "is"]}})

    assert hub.publish("ann", {**sent, "surprise": 1, "in_reply_to_event": "x"}).event == sent


def test_an_event_without_an_id_gets_one(hub: Hub) -> None:
    assert hub.publish("ann", {"topic": "news"}).event == {"topic": "news", "id": "made-0"}
    assert hub.publish("ann", event(id=None)).event["id"] == "made-1"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"id": "s", "user": {"username": "ann"}}, {"id": "s", "user": {"username": "ann", "id": "id-of-ann"}}),
        ({"user": {"username": "ann", "id": "own"}}, {"user": {"username": "ann", "id": "own"}}),
        ({"user": {"username": "somebody"}}, {"user": {"username": "somebody"}}),
        ({"user": "ann"}, {"user": "ann"}),
        ({}, {}),
        (None, None),
    ],
)
def test_the_senders_id_is_added_to_its_name(hub: Hub, source: Any, expected: Any) -> None:
    sent = event(source=source)

    assert hub.publish("ann", sent).event["source"] == expected
    assert sent["source"] == source


def test_a_subscription_may_name_the_added_id(hub: Hub) -> None:
    subscribe(hub, "ben", "source.user.id=id-of-ann")

    assert hub.publish("ann", event(source={"user": {"username": "ann"}})).recipients == ("ben",)


def test_update_events_are_wanted_while_somebody_might_listen(hub: Hub) -> None:
    subscribe(hub, "ann", "topic=ftrack.meta.reply", {"id": "hub"})
    assert not hub.watchers

    subscribe(hub, "ann", "topic=ftrack.update and source.user.username=me", {"id": "updates"})
    assert hub.watchers
    unsubscribe(hub, "ann", "updates")
    assert not hub.watchers

    subscribe(hub, "ben", "topic=*")
    assert hub.watchers
    subscribe(hub, "ben", "topic=news")
    assert not hub.watchers

    subscribe(hub, "ben", "topic=*")
    hub.disconnect("ben")
    assert not hub.watchers


@settings(max_examples=200)
@given(
    st.lists(JSON | st.fixed_dictionaries({"topic": st.sampled_from(["ftrack.meta.subscribe", "news"]), "data": JSON}))
)
def test_no_event_breaks_the_hub(events: list[Any]) -> None:
    hub = Hub(new_id=lambda: "made")
    hub.connect("ann", Caller(user_id="1", username="ann", api_key="key"))
    subscribe(hub, "ann", "not topic=x")

    for each in events:
        routed = hub.publish("ann", each)
        assert routed.problem is None or not routed.recipients
        assert isinstance(routed.event, Mapping)
