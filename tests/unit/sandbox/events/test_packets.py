from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackteroid.sandbox.events.packets import (
    Packet,
    PacketCode,
    PacketError,
    acknowledgement,
    decode,
    event_of,
    event_packet,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("2", Packet(PacketCode.HEARTBEAT)),
        ("2::", Packet(PacketCode.HEARTBEAT)),
        ("2:::", Packet(PacketCode.HEARTBEAT)),
        ("0::", Packet(PacketCode.DISCONNECT)),
        ("5:7+::{}", Packet(PacketCode.EVENT, "7", "{}")),
        ("5:7::{}", Packet(PacketCode.EVENT, "7", "{}")),
        ('5:::{"a": "b:c::d"}', Packet(PacketCode.EVENT, "", '{"a": "b:c::d"}')),
        ("5::/somewhere:{}", Packet(PacketCode.EVENT, "", "{}")),
    ],
)
def test_packets_of_both_clients_are_understood(text: str, packet: Packet) -> None:
    assert decode(text) == packet


@pytest.mark.parametrize("text", ["", "9::", "x", "55::", "5:seven+::{}", "5:+::{}", "5:٣+::{}", "{}"])
def test_what_is_no_packet_is_refused(text: str) -> None:
    with pytest.raises(PacketError):
        decode(text)


@given(st.text())
def test_any_text_is_a_packet_or_an_error(text: str) -> None:
    try:
        assert decode(text).code in PacketCode
    except PacketError as error:
        assert str(error)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "[]",
        '"ftrack.event"',
        '{"name": "other", "args": [{}]}',
        '{"name": "ftrack.event"}',
        '{"name": "ftrack.event", "args": {}}',
        '{"name": "ftrack.event", "args": []}',
        '{"name": "ftrack.event", "args": [{}, {}]}',
        '{"name": "ftrack.event", "args": [{"data": NaN}]}',
        '{"name": "ftrack.event", "args": [{"data": 1e999}]}',
        "[" * 100_000,
    ],
)
def test_an_event_packet_without_an_event_is_refused(data: str) -> None:
    with pytest.raises(PacketError):
        event_of(Packet(PacketCode.EVENT, "", data))


@given(st.dictionaries(st.text(), JSON))
def test_an_event_arrives_as_it_was_sent(event: dict[str, object]) -> None:
    text = event_packet(event)

    assert text.startswith("5:::")
    assert text.isascii()
    assert event_of(decode(text)) == event


def test_an_acknowledgement_carries_one_mapping() -> None:
    assert acknowledgement("12") == '6:::12+[{"success": true}]'

    number, _, arguments = acknowledgement("3", "Not like this").removeprefix("6:::").partition("+")
    assert number == "3"
    assert json.loads(arguments) == [{"success": False, "message": "Not like this"}]
