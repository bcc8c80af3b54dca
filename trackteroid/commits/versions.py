"""Wanted version numbers: is a recorded number still free when its commit's turn comes? Pure.

ftrack does not keep numbers unique (ftrack-server 2.12). Ours are: commits that make versions of one asset are committed one at a
time, so nobody of ours takes the number between this check and the batch. Rules: design section 5, "Version numbers".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from trackteroid.commits.batch import Payload
from trackteroid.errors import RecordingRefusedError

__all__ = ["WantedVersion", "settle_versions", "version_questions", "wanted_versions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedVersion:
    """A version that asks for a number, or one beside it.

    Attributes:
        place: Index of the payload in the batch that asks.
        key: Id of the version.
        asset: Id of its asset.
        number: Which; None: any, but none that another one asks for.
    """

    place: int
    key: str
    asset: str
    number: int | None


def wanted_versions(batch: Sequence[Payload], sent: Sequence[Payload]) -> list[WantedVersion]:
    """Return the versions that ask for a number, and those without one of the same assets, in the order of the batch.

    Args:
        batch: Everything recorded; tells the versions that are created and their assets.
        sent: What is to be sent of it; places are its indices.
    """
    asking = {
        str(payload["entity_key"][0])
        for payload in sent
        if payload["entity_type"] == "AssetVersion" and "version" in payload.get("entity_data", ())
    }
    if not asking:
        return []
    assets = _assets(batch)
    wanted = []
    for place, payload in enumerate(sent):
        key = str(payload["entity_key"][0])
        asset = assets.get(key) if payload["entity_type"] == "AssetVersion" else None
        data = payload.get("entity_data", {})
        number = data.get("version")
        has_number = isinstance(number, int) and not isinstance(number, bool)
        if asset is not None and (has_number or (key not in asking and payload["action"] == "create")):
            wanted.append(WantedVersion(place=place, key=key, asset=asset, number=number if has_number else None))
    numbered = {each.asset for each in wanted if each.number is not None}
    return [each for each in wanted if each.asset in numbered]


def version_questions(wanted: Sequence[WantedVersion]) -> list[str]:
    """Return the queries for whoever holds one of the wanted numbers, and for the highest one of each asset with several of them.

    Args:
        wanted: From `wanted_versions`, not empty.
    """
    select = "select id, version, asset_id from AssetVersion where asset_id"
    assets = ", ".join(dict.fromkeys(f'"{each.asset}"' for each in wanted))
    numbers = ", ".join(dict.fromkeys(str(each.number) for each in wanted if each.number is not None))
    highest = [f'{select} is "{asset}" order by version descending limit 1' for asset in _with_several(wanted)]
    return [f"{select} in ({assets}) and version in ({numbers})", *highest]


def settle_versions(
    sent: Sequence[Payload], wanted: Sequence[WantedVersion], rows: Iterable[Mapping[str, Any]], *, policy: str
) -> tuple[list[Payload], list[str]]:
    """Return what to send, and what to note, given who holds the wanted numbers.

    The server gives a number to who asks for none: the highest plus one, of those that are there at that moment. It does not see
    what the rest of the batch asks for, so of several versions of one asset each gets its number here.

    Args:
        sent: What is to be sent.
        wanted: From `wanted_versions`.
        rows: The answers to `version_questions`.
        policy: `fail` or `next`: what becomes of a version whose number belongs to another one.

    Raises:
        RecordingRefusedError: A number is taken and the policy is `fail`; names the holder.
    """
    holders = {(str(row["asset_id"]), row["version"]): str(row["id"]) for row in rows}
    highest: dict[str, int] = {}
    for asset, number in holders:
        highest[asset] = max(highest.get(asset, 0), number or 0)
    reserved = {(each.asset, each.number) for each in wanted}
    several = _with_several(wanted)
    left, notes, taken = list(sent), [], []
    for each in wanted:
        top = highest.get(each.asset, 0)
        if each.number is not None:
            holder = holders.setdefault((each.asset, each.number), each.key)
            if holder == each.key:
                highest[each.asset] = max(top, each.number)
                continue
            text = f"version {each.number} of the asset {each.asset} is AssetVersion {holder} by now"
            taken.append(text)
            notes.append(f"AssetVersion {each.key} got the next number, as {text}.")
        payload = left[each.place]
        data = {name: value for name, value in payload["entity_data"].items() if name != "version"}
        if each.asset in several:
            data["version"] = highest[each.asset] = next(
                number for number in count(top + 1) if (each.asset, number) not in reserved
            )
        left[each.place] = {**payload, "entity_data": data}
    if taken and policy == "fail":
        raise RecordingRefusedError(
            f"A wanted number is taken, nothing was sent: {'; '.join(taken)}. (Workers with TRACKTEROID_VERSION_POLICY=next give "
            "the next free number instead.)"
        )
    kept = [
        payload
        for payload in left
        if payload["action"] != "update" or payload["entity_data"].keys() - {"__entity_type__"}
    ]
    return kept, notes


def _assets(batch: Iterable[Payload]) -> dict[str, str | None]:
    """Return the asset of each version that is created."""
    assets: dict[str, str | None] = {}
    for payload in batch:
        if payload["entity_type"] != "AssetVersion" or payload["action"] == "delete":
            continue
        key = str(payload["entity_key"][0])
        if payload["action"] == "create" or key in assets:
            assets[key] = _asset(payload["entity_data"]) or assets.get(key)
    return assets


def _with_several(wanted: Iterable[WantedVersion]) -> list[str]:
    versions: dict[str, set[str]] = {}
    for each in wanted:
        versions.setdefault(each.asset, set()).add(each.key)
    return [asset for asset, keys in versions.items() if len(keys) > 1]


def _asset(data: Mapping[str, Any]) -> str | None:
    reference = data.get("asset")
    found = reference.get("id") if isinstance(reference, Mapping) else data.get("asset_id")
    return found if isinstance(found, str) else None
