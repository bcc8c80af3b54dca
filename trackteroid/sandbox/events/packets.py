"""Socket.IO 0.9 packets, the few that ftrack uses: `code:[id]:[endpoint][:data]` (specification 7.2)."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trackteroid.sandbox.strict_json import NotJsonError, decoded

__all__ = [
    "CONNECTED",
    "HEARTBEAT",
    "Packet",
    "PacketCode",
    "PacketError",
    "acknowledgement",
    "decode",
    "event_of",
    "event_packet",
]

EVENT_NAME = "ftrack.event"
_IDENTIFIER = re.compile(r"\d+\+?", re.ASCII)


class PacketError(ValueError):
    """A text that is no packet, or a packet with the wrong content; the message says why."""


class PacketCode(enum.Enum):
    """What a packet is for."""

    DISCONNECT = "0"
    CONNECT = "1"
    HEARTBEAT = "2"
    MESSAGE = "3"
    JSON = "4"
    EVENT = "5"
    ACKNOWLEDGE = "6"
    ERROR = "7"
    NOOP = "8"


CONNECTED = "1::"
HEARTBEAT = "2::"


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet.

    Attributes:
        identifier: Number by which the sender wants it acknowledged, as text without the `+`; empty if it doesn't.
    """

    code: PacketCode
    identifier: str = ""
    data: str = ""


def decode(text: str) -> Packet:
    """Read a packet. Data may hold colons; the endpoint, always empty, is ignored.

    Raises:
        PacketError: Unknown code, or an id that is no number.
    """
    code, identifier, _endpoint, data = [*text.split(":", 3), "", "", ""][:4]
    try:
        known = PacketCode(code)
    except ValueError:
        raise PacketError(f"There is no packet code {code[:20]!r}.") from None
    if identifier and not _IDENTIFIER.fullmatch(identifier):
        raise PacketError(f"A packet's id is a number, not {identifier[:20]!r}.")
    return Packet(known, identifier.rstrip("+"), data)


def event_of(packet: Packet) -> Any:
    """The event in an event packet, whatever value it is.

    Raises:
        PacketError: The data is no JSON, or no `{"name": "ftrack.event", "args": [event]}`.
    """
    try:
        # Python's client would send NaN; no browser could read it.
        payload = decoded(packet.data)
    except NotJsonError as error:
        raise PacketError(f"The packet holds no JSON: {error}") from None
    if not isinstance(payload, Mapping) or payload.get("name") != EVENT_NAME:
        raise PacketError(f'The packet must hold an object with the name "{EVENT_NAME}".')
    arguments = payload.get("args")
    if not isinstance(arguments, list) or len(arguments) != 1:
        raise PacketError('The packet\'s "args" must be a list with one event.')
    return arguments[0]


def event_packet(event: Mapping[str, Any]) -> str:
    """An event on its way out; nobody is asked to acknowledge it."""
    body = json.dumps({"name": EVENT_NAME, "args": [event]}, separators=(",", ":"))
    return f"{PacketCode.EVENT.value}:::{body}"


def acknowledgement(identifier: str, problem: str | None = None) -> str:
    """The answer to a packet with an id: success, or the problem. Clients take exactly one mapping."""
    outcome: dict[str, Any] = {"success": True} if problem is None else {"success": False, "message": problem}
    return f"{PacketCode.ACKNOWLEDGE.value}:::{identifier}+{json.dumps([outcome])}"
