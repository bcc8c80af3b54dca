"""The official client's event hub, unmodified, against the sandbox; raw websockets where it is too well-behaved."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import websocket
from ftrack_api.event.base import Event
from ftrack_api.event.hub import EventHub
from ftrack_api.exception import EventHubConnectionError

from tests.integration.sandbox.conftest import NewSession
from tests.support.processes import wait_until
from trackteroid.sandbox.events import endpoints
from trackteroid.sandbox.events.endpoints import EventLimits
from trackteroid.sandbox.server import SandboxServer

NewHub = Callable[..., EventHub]
NewSocket = Callable[..., websocket.WebSocket]


@pytest.fixture
def make_hub(server: SandboxServer) -> Iterator[NewHub]:
    """Hubs of the official client, not connected; they are disconnected with the test."""
    hubs = []

    def make(**overrides: Any) -> EventHub:
        arguments = {
            "server_url": server.url,
            "api_user": server.env["FTRACK_API_USER"],
            "api_key": server.env["FTRACK_API_KEY"],
            **overrides,
        }
        hubs.append(EventHub(**arguments))
        return hubs[-1]

    yield make
    for hub in hubs:
        if hub.connected:
            hub.disconnect()


@pytest.fixture
def new_hub(make_hub: NewHub) -> NewHub:
    """Connected hubs."""

    def connect(**overrides: Any) -> EventHub:
        hub = make_hub(**overrides)
        hub.connect()
        return hub

    return connect


@pytest.fixture
def new_socket(server: SandboxServer) -> Iterator[NewSocket]:
    """Websockets that say only what they are told to."""
    sockets = []

    def connect() -> websocket.WebSocket:
        address = server.url.replace("http", "ws") + "/socket.io/1/websocket/" + handshake(server).split(":")[0]
        # The old client checks UTF-8 in Python, byte by byte.
        sockets.append(websocket.create_connection(address, timeout=10, skip_utf8_validation=True))
        return sockets[-1]

    yield connect
    for socket in sockets:
        socket.shutdown()


def handshake(server: SandboxServer) -> str:
    query = {"api_user": server.env["FTRACK_API_USER"], "api_key": server.env["FTRACK_API_KEY"]}
    response = requests.get(server.url + "/socket.io/1/", params=query, timeout=10)
    response.raise_for_status()
    return response.text


def packet(event: dict[str, Any], identifier: str = "") -> str:
    return f"5:{identifier}::" + json.dumps({"name": "ftrack.event", "args": [event]})


class Inbox(list[Event]):
    """What a hub's callbacks got."""

    def wait(self, hub: EventHub, number: int = 1, seconds: float = 10.0) -> list[Event]:
        """Let the hub work until this many events are here."""

        def enough() -> bool:
            hub.wait(0.01)
            return len(self) >= number

        wait_until(enough, seconds=seconds, what=f"{number} events; there are {len(self)}")
        return self

    def stays_empty(self, hub: EventHub, marker: EventHub | None = None) -> bool:
        """Whether nothing has come although something sent later has."""
        sender, arrived = marker or hub, Inbox()
        identifier = hub.subscribe("topic=marker", arrived.append)
        settle(hub)
        sender.publish(Event("marker"))
        arrived.wait(hub)
        hub.unsubscribe(identifier)
        return not self


def settle(hub: EventHub) -> None:
    """Wait until the server has acknowledged everything."""
    wait_until(lambda: not hub._packet_callbacks, what="acknowledgements")


def listen(hub: EventHub, expression: str, **subscriber: Any) -> Inbox:
    """Subscribe and wait until the server knows it."""
    inbox = Inbox()
    # Event is a MutableMapping whose comparison is by content; the callback must return None, or the hub would reply.
    hub.subscribe(expression, inbox.append, subscriber=subscriber or None)
    settle(hub)
    return inbox


# Connecting


def test_the_handshake_is_what_socket_io_clients_expect(server: SandboxServer) -> None:
    identifier, heartbeat, close, transports = handshake(server).split(":")

    assert len(identifier) >= 32
    assert heartbeat == close == "60"
    assert transports == "websocket"


@pytest.mark.parametrize(
    "credentials", [{"api_key": "wrong"}, {"api_user": "nobody"}, {"api_key": ""}], ids=["key", "user", "no key"]
)
def test_wrong_credentials_are_told(make_hub: NewHub, credentials: dict[str, str]) -> None:
    hub = make_hub(**credentials)

    with pytest.raises(EventHubConnectionError, match="401"):
        hub.connect()

    assert not hub.connected


def test_a_personal_key_is_good_for_its_owner_only(make_hub: NewHub) -> None:
    make_hub(api_user="anna", api_key="anna-key").connect()
    with pytest.raises(EventHubConnectionError):
        make_hub(api_user="ben", api_key="anna-key").connect()


def test_a_websocket_without_a_handshake_is_refused(server: SandboxServer) -> None:
    address = server.url.replace("http", "ws") + "/socket.io/1/websocket/"

    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(address + "made-up", timeout=10)


def test_a_session_serves_one_websocket(server: SandboxServer) -> None:
    address = server.url.replace("http", "ws") + "/socket.io/1/websocket/" + handshake(server).split(":")[0]
    socket = websocket.create_connection(address, timeout=10)

    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(address, timeout=10)

    assert socket.recv() == "1::"
    socket.shutdown()


def test_connecting_is_an_event_of_its_own(new_hub: NewHub) -> None:
    hub, inbox = new_hub(), Inbox()
    hub.subscribe("topic=ftrack.meta.connected", inbox.append)

    assert inbox.wait(hub)[0]["topic"] == "ftrack.meta.connected"


def test_a_session_connects_its_hub(new_session: NewSession) -> None:
    session = new_session(auto_connect_event_hub=True)

    wait_until(lambda: session.event_hub.connected, what="the connection")
    inbox = listen(session.event_hub, "topic=hello")
    session.event_hub.publish(Event("hello"))

    inbox.wait(session.event_hub)


def test_headers_and_cookies_are_welcome(new_hub: NewHub) -> None:
    hub = new_hub(headers={"x-studio": "yes"}, cookies={"place": "here"})

    inbox = listen(hub, "topic=hello")
    hub.publish(Event("hello"))

    inbox.wait(hub)


# Events


def test_the_publisher_gets_its_own_event_as_it_was(new_hub: NewHub, server: SandboxServer) -> None:
    hub = new_hub()
    inbox = listen(hub, "topic=own.*")
    event = Event("own.thing", data={"text": "Größe ☃ \U0001f600", "nested": [1, 2.5, None, {"a": True}]})

    hub.publish(event)

    received = inbox.wait(hub)[0]
    assert received["id"] == event["id"]
    assert received["topic"] == "own.thing"
    assert received["data"] == event["data"]
    assert received["source"]["id"] == hub.id
    assert received["source"]["user"]["username"] == server.env["FTRACK_API_USER"]


def test_the_source_tells_the_users_id(new_hub: NewHub, session: Any, server: SandboxServer) -> None:
    hub = new_hub()
    inbox = listen(hub, "topic=hello")

    hub.publish(Event("hello"))

    user = session.query(f'User where username is "{server.env["FTRACK_API_USER"]}"').one()
    assert inbox.wait(hub)[0]["source"]["user"]["id"] == user["id"]


def test_subscriptions_made_before_connecting_count(make_hub: NewHub) -> None:
    hub, inbox = make_hub(), Inbox()
    hub.subscribe("topic=early", inbox.append)
    hub.connect()

    hub.publish(Event("early"))

    inbox.wait(hub)


def test_events_published_while_connecting_are_sent_afterwards(make_hub: NewHub) -> None:
    hub, inbox = make_hub(), Inbox()
    hub.subscribe("topic=early", inbox.append)
    hub.init_connection()
    hub.publish(Event("early"))
    hub.connect()

    inbox.wait(hub)


def test_events_reach_other_clients_and_only_those_who_listen(new_hub: NewHub) -> None:
    sender, listener, bystander = new_hub(), new_hub(api_user="anna", api_key="anna-key"), new_hub()
    heard = listen(listener, 'topic=news and data.kind="good" and source.id!=nobody')
    unheard = listen(bystander, "topic=news and data.kind=bad")

    sender.publish(Event("news", data={"kind": "good"}))

    assert heard.wait(listener)[0]["data"] == {"kind": "good"}
    assert unheard.stays_empty(bystander, sender)


def test_two_subscribers_of_one_hub_get_the_event_once_each(new_hub: NewHub) -> None:
    hub = new_hub()
    first, second = listen(hub, "topic=news"), listen(hub, "topic=new*")

    hub.publish(Event("news"))
    hub.publish(Event("newer"))

    second.wait(hub, 2)
    assert [event["topic"] for event in first] == ["news"]
    assert [event["topic"] for event in second] == ["news", "newer"]


def test_nothing_comes_after_unsubscribing(new_hub: NewHub) -> None:
    sender, hub = new_hub(), new_hub()
    inbox = Inbox()
    identifier = hub.subscribe("topic=news", inbox.append)
    settle(hub)
    sender.publish(Event("news"))
    inbox.wait(hub)

    hub.unsubscribe(identifier)
    settle(hub)
    sender.publish(Event("news"))

    inbox.clear()
    assert inbox.stays_empty(hub, sender)


def test_the_order_of_one_sender_is_kept(new_hub: NewHub) -> None:
    sender, listener = new_hub(), new_hub()
    inbox = listen(listener, "topic=count")

    for number in range(500):
        sender.publish(Event("count", data={"number": number}))

    inbox.wait(listener, 500)
    assert [event["data"]["number"] for event in inbox] == list(range(500))


def test_a_target_chooses_the_subscriber(new_hub: NewHub) -> None:
    sender, maya, nuke = new_hub(), new_hub(), new_hub()
    in_maya = listen(maya, "topic=launch", id="m", applicationId="maya")
    in_nuke = listen(nuke, "topic=launch", id="n", applicationId="nuke")

    sender.publish(Event("launch", target="applicationId=maya"))

    in_maya.wait(maya)
    assert in_nuke.stays_empty(nuke, sender)


def test_a_wrong_target_is_reported(new_hub: NewHub, caplog: pytest.LogCaptureFixture) -> None:
    hub = new_hub()

    hub.publish(Event("launch", target="applicationId is maya"))
    settle(hub)

    assert "Server responded with error while publishing event" in caplog.text
    assert "target" in caplog.text


def test_a_large_event_arrives(new_hub: NewHub) -> None:
    hub = new_hub()
    inbox = listen(hub, "topic=large")
    text = "0123456789" * 100_000

    hub.publish(Event("large", data={"text": text}))

    assert inbox.wait(hub)[0]["data"]["text"] == text


# Replies


def test_the_result_of_a_callback_comes_back_as_a_reply(new_hub: NewHub) -> None:
    asking, answering = new_hub(), new_hub()
    replies = Inbox()
    answering.subscribe("topic=question", lambda event: {"answer": event["data"]["number"] * 2})
    settle(answering)

    question = Event("question", data={"number": 21})
    asking.publish(question, on_reply=replies.append)

    def answered() -> bool:
        answering.wait(0)
        asking.wait(0)
        return bool(replies)

    wait_until(answered, what="the reply")
    assert replies[0]["topic"] == "ftrack.meta.reply"
    assert replies[0]["data"] == {"answer": 42}
    assert replies[0]["in_reply_to_event"] == question["id"]


def test_every_reply_reaches_the_one_who_asked_and_nobody_else(new_hub: NewHub) -> None:
    asking, answering, bystander = new_hub(), new_hub(), new_hub()
    replies, overheard = Inbox(), listen(bystander, "topic=ftrack.meta.reply", id="bystander")
    questions = listen(answering, "topic=question")

    asking.publish(Event("question"), on_reply=replies.append)
    question = questions.wait(answering)[0]
    for number in range(3):
        answering.publish_reply(question, {"number": number}, source={"id": "somewhere", "user": {"username": "me"}})

    replies.wait(asking, 3)
    assert [reply["data"]["number"] for reply in replies] == [0, 1, 2]
    assert replies[0]["source"]["id"] == "somewhere"
    assert overheard.stays_empty(bystander, answering)


def test_a_hub_can_answer_itself(new_hub: NewHub) -> None:
    hub, replies = new_hub(), Inbox()
    hub.subscribe("topic=question", lambda event: "yes")
    settle(hub)

    hub.publish(Event("question"), on_reply=replies.append)

    assert replies.wait(hub)[0]["data"] == "yes"


# Update events


def updates(inbox: Inbox, action: str, entity_type: str) -> list[dict[str, Any]]:
    return [
        entity
        for event in inbox
        for entity in event["data"]["entities"]
        if (entity["action"], entity["entity_type"]) == (action, entity_type)
    ]


def test_create_update_move_and_delete_are_told_one_event_per_commit(new_hub: NewHub, session: Any) -> None:
    hub = new_hub(api_user="anna", api_key="anna-key")
    inbox = listen(hub, "topic=ftrack.update")
    shot = session.query('Shot where name is "bc0040"').one()
    other = session.query('Shot where name is "bc0050"').one()
    status = session.query('Status where name is "Approved"').one()

    task = session.create("Task", {"name": "roto", "parent": shot})
    session.commit()
    before = task["status_id"]
    task["status"] = status
    task["name"] = "paint"
    session.commit()
    task["parent"] = other
    session.commit()
    session.delete(task)
    session.commit()

    inbox.wait(hub, 4)
    assert len(inbox) == 4
    (added,) = updates(inbox[0:1], "add", "Task")  # type: ignore[arg-type]
    assert added["entityId"] == task["id"]
    assert added["parents"][1]["entityId"] == shot["id"]
    (updated,) = updates(inbox[1:2], "update", "Task")  # type: ignore[arg-type]
    assert updated["changes"] == {
        "statusid": {"old": before, "new": status["id"]},
        "name": {"old": "roto", "new": "paint"},
    }
    (moved,) = updates(inbox[2:3], "move", "Task")  # type: ignore[arg-type]
    assert moved["changes"]["parent_id"] == {"old": shot["id"], "new": other["id"]}
    (removed,) = updates(inbox[3:4], "remove", "Task")  # type: ignore[arg-type]
    assert removed["parents"][1]["entityId"] == other["id"]
    assert inbox[0]["source"]["applicationId"] == "ftrack.server"
    assert inbox[0]["data"]["user"]["name"] == "Sandy Box"


def test_notes_versions_and_custom_attributes_are_told(new_hub: NewHub, session: Any) -> None:
    hub = new_hub()
    inbox = listen(hub, "topic=ftrack.update")
    shot = session.query('Shot where name is "bc0040"').one()
    asset = session.query('Asset where parent.name is "bc0040"').first()

    shot["custom_attributes"]["fstart"] = 42
    session.commit()
    version = session.create("AssetVersion", {"asset": asset})
    session.commit()
    version.create_note("Nice", author=session.query("User").first())
    session.commit()

    inbox.wait(hub, 3)
    (attribute,) = updates(inbox, "update", "Shot")
    assert attribute["changes"]["fstart"]["new"] == "42"
    (added,) = updates(inbox, "add", "AssetVersion")
    assert [each["entity_type"] for each in added["parents"]][:3] == ["AssetVersion", "Asset", "Shot"]
    (note,) = updates(inbox, "add", "Note")
    assert note["changes"]["text"]["new"] == "Nice"
    assert note["parents"][1]["entityId"] == version["id"]


def test_the_clients_tokens_come_back_with_its_changes(new_hub: NewHub, server: SandboxServer, session: Any) -> None:
    hub = new_hub()
    inbox = listen(hub, "topic=ftrack.update")
    task = session.query("Task").first()
    operation = {"action": "update", "entity_type": "Task", "entity_key": [task["id"]]}

    def change(name: str, **tokens: str) -> None:
        headers = {
            "ftrack-user": server.env["FTRACK_API_USER"],
            "ftrack-api-key": server.env["FTRACK_API_KEY"],
            **{f"ftrack-{key}": value for key, value in tokens.items()},
        }
        body = [{**operation, "entity_data": {"name": name}}]
        requests.post(server.url + "/api", json=body, headers=headers, timeout=10).raise_for_status()

    change("first", Clienttoken="mine", pushtoken="pushed")
    change("second", Clienttoken="mine", pushtoken="undefined")
    change("third")

    tokens = [(event["data"]["clientToken"], event["data"]["pushToken"]) for event in inbox.wait(hub, 3)]
    assert tokens == [("mine", "pushed"), ("mine", None), (None, None)]


def test_a_failed_commit_is_not_told(new_hub: NewHub, session: Any) -> None:
    hub = new_hub()
    inbox = listen(hub, "topic=ftrack.update")
    session.create("Task", {"name": "homeless", "parent_id": "no-such-parent"})

    with pytest.raises(Exception, match="Server reported error"):
        session.commit()

    assert inbox.stays_empty(hub)


def test_nobody_pays_for_update_events_without_listeners(
    new_hub: NewHub, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = endpoints.update_events
    monkeypatch.setattr(endpoints, "update_events", lambda *args, **kwargs: made.append(1) or real(*args, **kwargs))
    task = session.query("Task").first()
    hub = new_hub()
    listen(hub, "topic=something.else")

    task["name"] = "silent"
    session.commit()
    assert made == []

    inbox = listen(hub, "topic=ftrack.*")
    task["name"] = "loud"
    session.commit()
    inbox.wait(hub)
    assert made == [1]


def test_a_mistake_of_ours_in_an_event_does_not_fail_the_commit(
    new_hub: NewHub, session: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listen(new_hub(), "topic=ftrack.update")
    monkeypatch.setattr(endpoints, "update_events", lambda *args, **kwargs: 1 / 0)

    session.query("Task").first()["name"] = "changed"
    session.commit()

    assert "An update event could not be made" in caplog.text


def test_many_writers_at_once_lose_no_event(new_hub: NewHub, server: SandboxServer, new_session: NewSession) -> None:
    hub = new_hub()
    inbox = listen(hub, "topic=ftrack.update")
    sessions = [new_session() for _ in range(3)]
    parent = sessions[0].query('Shot where name is "bc0040"').one()["id"]

    def write(writer: int, session: Any) -> None:
        for number in range(10):
            session.create("Task", {"name": f"w{writer}-{number}", "parent_id": parent})
            session.commit()

    def write_inside() -> None:
        # No HTTP: the event starts in a thread that is not the server's.
        for number in range(10):
            data = {"name": f"inside-{number}", "parent_id": parent}
            server.api.handle(
                [{"action": "create", "entity_type": "Task", "entity_data": data}],
                username=server.env["FTRACK_API_USER"],
                api_key=server.env["FTRACK_API_KEY"],
            )

    threads = [threading.Thread(target=write, args=pair) for pair in enumerate(sessions)]
    threads.append(threading.Thread(target=write_inside))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    inbox.wait(hub, 40)
    names = [entity["changes"]["name"]["new"] for entity in updates(inbox, "add", "Task")]
    assert len(set(names)) == len(names) == 40
    for writer in ("w0", "w1", "w2", "inside"):
        assert [name for name in names if name.startswith(writer)] == [f"{writer}-{number}" for number in range(10)]


# What clients are not always: quick, alive, sensible


def test_heartbeats_keep_a_connection_alive(
    new_hub: NewHub, new_socket: NewSocket, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.events, "limits", EventLimits(heartbeat_seconds=0.05, silence_seconds=0.5))
    hub = new_hub()
    inbox = listen(hub, "topic=hello")
    dead = new_socket()

    started = time.monotonic()
    with pytest.raises((websocket.WebSocketConnectionClosedException, OSError)):
        heard = []
        while True:
            heard.append(dead.recv())
            assert time.monotonic() - started < 10

    assert heard[0] == "1::"
    assert heard.count("2::") >= 3
    # The one that answers has been silent for as long.
    hub.publish(Event("hello"))
    inbox.wait(hub)


def test_the_default_heartbeat_is_quick_enough_for_both_clients() -> None:
    assert EventLimits().heartbeat_seconds <= 10
    assert EventLimits().silence_seconds > 4 * EventLimits().heartbeat_seconds


def test_a_client_that_does_not_read_is_closed_and_holds_up_nobody(
    new_socket: NewSocket, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.events, "limits", EventLimits(queued_packets=10, heartbeat_seconds=600))
    stuck, reading = new_socket(), new_socket()
    data = {"subscriber": {"id": "me"}, "subscription": "topic=flood"}
    for socket in (stuck, reading):
        socket.send(packet({"topic": "ftrack.meta.subscribe", "data": data}, "1+"))
        assert socket.recv() == "1::"
        assert socket.recv() == '6:::1+[{"success": true}]'

    # Far more than the network holds for somebody who does not read.
    for number in range(90):
        reading.send(packet({"topic": "flood", "data": {"number": number, "text": "x" * 200_000}}))
        (event,) = json.loads(reading.recv().removeprefix("5:::"))["args"]
        assert event["data"]["number"] == number

    with pytest.raises((websocket.WebSocketConnectionClosedException, OSError)):
        for _ in range(90):
            stuck.recv()


def test_a_burst_of_small_events_is_no_flood(new_hub: NewHub, server: SandboxServer, new_socket: NewSocket) -> None:
    listener = new_hub()
    inbox = listen(listener, "topic=burst")
    sender = new_socket()

    # All at once: the server finds thousands of packets in what it reads.
    frame = websocket.ABNF.create_frame(packet({"topic": "burst"}), websocket.ABNF.OPCODE_TEXT).format()
    sender.sock.sendall(frame * 3000)

    assert len(inbox.wait(listener, 3000, seconds=20)) == 3000


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "hello",
        "99::",
        "5:::",
        "5:::{",
        '5:::{"name": "ftrack.event", "args": [17]}',
        "5:x::{}",
        "3:::text",
        "4:::{}",
        "6:::1+[]",
        "7:::broken",
        "8::",
        "1::/admin",
        "5:::" + "[" * 50_000,
    ],
)
def test_garbage_is_survived(new_socket: NewSocket, garbage: str) -> None:
    socket = new_socket()
    socket.send(garbage)
    socket.send_binary(garbage.encode())
    socket.send(packet({"topic": "fine"}, "7+"))

    assert socket.recv() == "1::"
    assert socket.recv() == '6:::7+[{"success": true}]'


def test_an_unreadable_event_is_acknowledged_as_failure(new_socket: NewSocket) -> None:
    socket = new_socket()
    assert socket.recv() == "1::"

    socket.send("5:3+::{")
    identifier, _, arguments = socket.recv().removeprefix("6:::").partition("+")

    assert identifier == "3"
    (answer,) = json.loads(arguments)
    assert answer["success"] is False
    assert "JSON" in answer["message"]


def test_pings_and_fragments_are_understood(new_socket: NewSocket) -> None:
    socket = new_socket()
    text = packet({"topic": "fine"}, "7+")
    socket.ping("there?")
    socket.send_frame(websocket.ABNF.create_frame(text[:20], websocket.ABNF.OPCODE_TEXT, 0))
    socket.send_frame(websocket.ABNF.create_frame(text[20:], websocket.ABNF.OPCODE_CONT, 1))

    received = [socket.recv_data(control_frame=True) for _ in range(3)]

    assert (websocket.ABNF.OPCODE_PONG, b"there?") in received
    assert (websocket.ABNF.OPCODE_TEXT, b'6:::7+[{"success": true}]') in received


def test_a_disconnect_packet_ends_the_connection(new_socket: NewSocket) -> None:
    socket = new_socket()
    assert socket.recv() == "1::"

    socket.send("0::")

    with pytest.raises((websocket.WebSocketConnectionClosedException, OSError)):
        socket.recv()


def test_a_closed_connection_leaves_nothing_behind(new_hub: NewHub, server: SandboxServer) -> None:
    hub = new_hub()
    listen(hub, "topic=ftrack.update")
    assert server.events._hub.watchers

    # No good-bye: subscribers must go with the connection.
    hub.disconnect(unsubscribe=False)

    wait_until(lambda: not server.events._hub.watchers, what="the end of the subscription")
    wait_until(lambda: not server.events._connections, what="the end of the connection")


def test_a_broken_connection_is_made_again_with_all_subscriptions(new_hub: NewHub, server: SandboxServer) -> None:
    hub = new_hub()
    inbox = listen(hub, "topic=ftrack.update")
    (first,) = server.events._connections
    loop = server.events._loop
    assert loop is not None

    loop.call_soon_threadsafe(server.events._connections[first]._abort)

    def again() -> bool:
        return first not in server.events._connections and bool(server.events._hub.watchers)

    wait_until(again, what="the second connection")
    data = {"name": "after"}
    server.api.handle(
        [{"action": "create", "entity_type": "Scope", "entity_data": data}],
        username=server.env["FTRACK_API_USER"],
        api_key=server.env["FTRACK_API_KEY"],
    )
    assert updates(inbox.wait(hub), "add", "Scope")


def test_a_server_stops_at_once_although_clients_are_connected() -> None:
    with SandboxServer(seed="empty") as server:
        address = server.url.replace("http", "ws") + "/socket.io/1/websocket/" + handshake(server).split(":")[0]
        socket = websocket.create_connection(address, timeout=10)
        assert socket.recv() == "1::"
        started = time.monotonic()

    assert time.monotonic() - started < 5
    with pytest.raises(websocket.WebSocketException):
        # The client is too old to know the close code for a restart.
        assert socket.recv() == ""
        socket.recv()
    socket.shutdown()


def test_what_happens_in_a_private_project_is_told_to_those_who_see_it(
    new_hub: NewHub, server: SandboxServer, session: Any
) -> None:
    anna, ben, all_seeing = (
        new_hub(api_user="anna", api_key="anna-key"),
        new_hub(api_user="ben", api_key="ben-key"),
        new_hub(),
    )
    inboxes = [(hub, listen(hub, "topic=ftrack.update")) for hub in (anna, ben, all_seeing)]
    secret = session.query('Shot where name is "tz010"').one()
    known = session.query('Shot where name is "sp010"').one()
    secret["description"], known["description"] = "secret", "known"
    session.create("TypedContextLink", {"from": secret, "to": known})
    thumbnail = session.create("FileComponent", {"name": "thumbnail"})
    secret["thumbnail_id"] = thumbnail["id"]
    session.commit()

    def told(number: int) -> list[dict[str, set[str]]]:
        result = []
        for hub, inbox in inboxes:
            ids: dict[str, set[str]] = {}
            for each in inbox.wait(hub, number)[number - 1]["data"]["entities"]:
                ids.setdefault(each["entity_type"], set()).add(each["entityId"])
            result.append(ids)
        return result

    for_anna, for_ben, for_all = told(1)
    assert for_anna == {"Shot": {known["id"]}}
    assert for_ben == for_all
    assert set(for_ben) == {"Shot", "TypedContextLink", "FileComponent"}
    assert for_ben["Shot"] == {secret["id"], known["id"]}

    # Deleted things are gone when it is told: what they hung below must still be known.
    session.delete(session.query('Project where name is "teaser"').one())
    known["description"] = "well known"
    session.commit()
    for_anna, _, for_all = told(2)
    assert for_anna == {"Shot": {known["id"]}}
    assert {"Project", "AssetVersion", "Note"} <= set(for_all)
