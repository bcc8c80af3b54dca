"""What a chaos run does, decided by its seed alone: who publishes what, what breaks and when.

The machine decides the rest (which instruction a process is at when it is killed), so a seed brings back the same load and the
same blows at the same moments, not the same interleaving.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.support.recordings import create, delete, recorded, update
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import Operation, key_text
from trackteroid.operations.recording import Recording

__all__ = ["ACTIONS", "Blow", "Publish", "blows", "faults", "publishes", "recording_of"]

#: What is done to the processes, and how often each as against the others.
ACTIONS: Mapping[str, int] = {
    "kill a worker": 4,
    "kill a worker's child": 3,
    "freeze a worker": 2,
    "kill a client": 2,
    "restart Redis": 2,
    "lose the wake-ups": 3,
    "repeat a wake-up": 3,
}
#: Everything that ftrack does to a batch which writes.
STRIKES = ("drop_reply", "reset", "half_batch", "error", "latency")

_BATCHES = ["create", "update", "delete"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Publish:
    """One recording to be: a version with a component at a location, and for some a task that is changed or removed.

    Attributes:
        number: Counted over all clients.
        asset: Position in the list of assets.
        victim: Whether the spare task of this number is updated ("update"), deleted ("delete") or left alone ("").
        listed: Whether its version is appended to the one list that they share.
        pause: Seconds before it is enqueued.
        again: Whether it is enqueued a second time, as a farm does that lost count.
        wake: Whether a wake-up is sent; if not, it is as if it had been lost on its way.
    """

    number: int
    asset: int
    recording_id: str
    version: str
    component: str
    location: str
    victim: str
    listed: bool
    pause: float
    again: bool
    wake: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Blow:
    """Something that is done to a process: when (seconds from the beginning), what, and to which one (0 to 1)."""

    at: float
    action: str
    choice: float


def publishes(seed: int, client: int, *, clients: int, total: int, assets: int, seconds: float) -> list[Publish]:
    """Return what one of the clients publishes, in its order, spread over so many seconds."""
    chance = random.Random(f"{seed}/client/{client}")
    numbers = range(client, total, clients)
    pause = seconds / max(len(numbers), 1)
    return [
        Publish(
            number=number,
            asset=chance.randrange(assets),
            recording_id=_uuid(chance),
            version=_uuid(chance),
            component=_uuid(chance),
            location=_uuid(chance),
            victim=("update", "delete")[number % 5] if number % 5 < 2 else "",
            listed=number % 10 == 2,
            pause=chance.uniform(0, 2 * pause),
            again=chance.random() < 0.15,
            wake=chance.random() < 0.8,
        )
        for number in numbers
    ]


def recording_of(
    publish: Publish,
    *,
    assets: Sequence[str],
    task: str,
    spare_tasks: Sequence[str],
    location: str,
    shared_list: str,
    server_url: str,
) -> Recording:
    """Return the recording, as the recorder writes it: references are updates of their own."""
    operations: list[Operation] = [
        create("AssetVersion", publish.version),
        update("AssetVersion", publish.version, "asset", _reference("Asset", assets[publish.asset])),
        update("AssetVersion", publish.version, "task", _reference("Task", task)),
        update("AssetVersion", publish.version, "comment", f"publish {publish.number}"),
        create("Component", publish.component, name="main"),
        update("Component", publish.component, "version", _reference("AssetVersion", publish.version)),
        create("ComponentLocation", publish.location, resource_identifier="/x", location_id=location),
        update("ComponentLocation", publish.location, "component", _reference("Component", publish.component)),
    ]
    spare = spare_tasks[publish.number]
    if publish.victim == "update":
        operations.append(update("Task", spare, "description", f"by publish {publish.number}"))
    if publish.victim == "delete":
        operations.append(delete("Task", spare))
    deltas = []
    if publish.listed:
        # As a session records it that had seen the list empty: alone, the value would throw the others out.
        operations.append(
            update("AssetVersionList", shared_list, "items", [_reference("AssetVersion", publish.version)])
        )
        added = (key_text("AssetVersion", [publish.version]),)
        deltas.append(Delta(entity=key_text("AssetVersionList", [shared_list]), attribute="items", added=added))
    bases = [("Task", spare, "description", "")] if publish.victim == "update" else []
    return recorded(*operations, recording_id=publish.recording_id, server_url=server_url, bases=bases, deltas=deltas)


def blows(seed: int, *, seconds: float, pace: tuple[float, float]) -> list[Blow]:
    """Return what is done to the processes within so many seconds; the pauses between are drawn from `pace`.

    Each action comes at least once, if there is time for as many.
    """
    chance = random.Random(f"{seed}/blows")
    actions: list[str] = list(ACTIONS)
    chance.shuffle(actions)
    found: list[Blow] = []
    now = chance.uniform(*pace)
    while now < seconds:
        action = actions.pop() if actions else chance.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        found.append(Blow(at=now, action=action, choice=chance.random()))
        now += chance.uniform(*pace)
    return found


def faults(seed: int) -> list[dict[str, Any]]:
    """Return what ftrack does: each of `STRIKES` once for certain, and then by chance, for as long as the fire burns."""
    kinds: dict[str, dict[str, Any]] = {
        "drop_reply": {"probability": 0.08},
        "reset": {"probability": 0.06},
        "half_batch": {"probability": 0.06},
        "error": {"probability": 0.08, "status": 503},
        # Now and then longer than a request may take: it is applied when its client has given up, or is dead.
        "latency": {"probability": 0.15, "seconds": 1.0, "jitter": 2.0},
    }
    certain = [
        {"kind": kind, "actions": _BATCHES, "seed": seed, **_without(keys, "probability"), "times": 1}
        for kind, keys in kinds.items()
    ]
    by_chance = [{"kind": kind, "actions": _BATCHES, "seed": seed, **keys} for kind, keys in kinds.items()]
    # Asking what is there fails as well.
    asking = {"kind": "error", "actions": ["query"], "seed": seed, "probability": 0.03, "status": 503}
    return [*certain, *by_chance, asking]


def _without(keys: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if key != name}


def _reference(entity_type: str, key: str) -> dict[str, str]:
    return {"__entity_type__": entity_type, "id": key}


def _uuid(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))
