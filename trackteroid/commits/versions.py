"""Wanted version numbers: is a recorded number still free when its commit's turn comes? Pure.

ftrack does not keep numbers unique (ftrack-server 2.12). Ours are: commits that make versions of one asset are committed one at a
time, so nobody of ours takes the number between this check and the batch. Rules: design section 5, "Version numbers".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trackteroid.commits.batch import Payload
from trackteroid.errors import RecordingRefusedError

__all__ = ["WantedVersion", "settle_versions", "version_question", "wanted_versions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedVersion:
    """A version that asks for a number.

    Attributes:
        place: Index of the payload in the batch that asks.
        key: Id of the version.
        asset: Id of its asset.
        number: Which.
    """

    place: int
    key: str
    asset: str
    number: int


def wanted_versions(batch: Sequence[Payload], sent: Sequence[Payload]) -> list[WantedVersion]:
    """Return the versions that ask for a number.

    Args:
        batch: Everything recorded; tells the versions that are created and their assets.
        sent: What is to be sent of it; places are its indices.
    """
    asking = [
        (place, payload)
        for place, payload in enumerate(sent)
        if payload["entity_type"] == "AssetVersion" and "version" in payload.get("entity_data", ())
    ]
    if not asking:
        return []
    assets: dict[str, str | None] = {}
    for payload in batch:
        if payload["entity_type"] != "AssetVersion" or payload["action"] == "delete":
            continue
        key = str(payload["entity_key"][0])
        if payload["action"] == "create" or key in assets:
            assets[key] = _asset(payload["entity_data"]) or assets.get(key)
    wanted = []
    for place, payload in asking:
        number = payload["entity_data"]["version"]
        key = str(payload["entity_key"][0])
        asset = assets.get(key)
        if asset is not None and isinstance(number, int) and not isinstance(number, bool):
            wanted.append(WantedVersion(place=place, key=key, asset=asset, number=number))
    return wanted


def version_question(wanted: Sequence[WantedVersion]) -> str:
    """Return the query for whoever holds one of the wanted numbers."""
    assets = ", ".join(dict.fromkeys(f'"{each.asset}"' for each in wanted))
    numbers = ", ".join(dict.fromkeys(str(each.number) for each in wanted))
    return f"select id, version, asset_id from AssetVersion where asset_id in ({assets}) and version in ({numbers})"


def settle_versions(
    sent: Sequence[Payload], wanted: Sequence[WantedVersion], rows: Sequence[Mapping[str, Any]], *, policy: str
) -> tuple[list[Payload], list[str]]:
    """Return what to send, and what to note, given who holds the wanted numbers.

    Args:
        sent: What is to be sent.
        wanted: From `wanted_versions`.
        rows: The answer to `version_question`.
        policy: `fail` or `next`: what becomes of a version whose number belongs to another one.

    Raises:
        RecordingRefusedError: A number is taken and the policy is `fail`; names the holder.
    """
    holders = {(str(row["asset_id"]), row["version"]): str(row["id"]) for row in rows}
    left, notes, taken = list(sent), [], []
    for each in wanted:
        holder = holders.setdefault((each.asset, each.number), each.key)
        if holder == each.key:
            continue
        text = f"version {each.number} of the asset {each.asset} is AssetVersion {holder} by now"
        taken.append(text)
        notes.append(f"AssetVersion {each.key} got the next number, as {text}.")
        payload = left[each.place]
        data = {name: value for name, value in payload["entity_data"].items() if name != "version"}
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


def _asset(data: Mapping[str, Any]) -> str | None:
    reference = data.get("asset")
    found = reference.get("id") if isinstance(reference, Mapping) else data.get("asset_id")
    return found if isinstance(found, str) else None
