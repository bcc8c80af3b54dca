"""The `farm` seed: as much data as one wants, all of one pattern."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from trackteroid.sandbox.errors import SandboxStartError
from trackteroid.sandbox.seeds.basics import LOCATIONS, PRODUCTION
from trackteroid.sandbox.seeds.rows import Rows

__all__ = ["FarmSize", "add_farm"]

_ARTISTS = 20
# A shot's tasks, one after the other: name, type, and the type of what comes out of it.
_STEPS = (
    ("animation", "Animation", "Animation"),
    ("lighting", "Lighting", "Image Sequence"),
    ("compositing", "Compositing", "Composite"),
)


@dataclass(frozen=True, kw_only=True)
class FarmSize:
    """How many of each there are."""

    projects: int = 1
    sequences: int = 50
    shots: int = 1000
    tasks: int = 3000
    assets: int = 3000
    versions: int = 10000

    @classmethod
    def of(cls, options: str) -> FarmSize:
        """Read `shots=100,versions=50`. What is not named keeps its proportion to the shots.

        Raises:
            SandboxStartError: An unknown name, no number, or things with nothing to hang below.
        """
        names = [each.name for each in fields(cls)]
        given: dict[str, int] = {}
        for option in filter(None, options.split(",")):
            name, _, text = option.partition("=")
            if name not in names or re.fullmatch("[0-9]{1,9}", text) is None:
                raise SandboxStartError(
                    f'"{option}" is no option of the seed "farm". Options are NAME=NUMBER, separated by commas;'
                    f" the names are {', '.join(names)}."
                )
            given[name] = int(text)
        default = cls()
        if "shots" in given:
            for name in ("sequences", "tasks", "assets", "versions"):
                share = getattr(default, name) * given["shots"] / default.shots
                given.setdefault(name, -int(-share // 1))
        size = cls(**given)
        for above, below in itertools.pairwise(names):
            if getattr(size, below) and not getattr(size, above):
                raise SandboxStartError(f'The seed "farm" cannot have {below} without {above}.')
        return size


def add_farm(rows: Rows, size: FarmSize) -> None:
    """Add projects with sequences, shots, tasks, assets and versions, each version with a component in a location.

    Everything is shared out evenly among what it hangs below: with the default size a shot has three tasks, each of
    them one asset, each asset three or four versions.
    """
    artists = [
        rows.user(f"artist{number:02d}", "Artist", f"{number:02d}", api_key=f"artist{number:02d}-key")
        for number in range(_ARTISTS)
    ]
    projects = [_project(rows, number) for number in range(size.projects)]
    sequences = [
        rows.add("Sequence", f"sq{number:03d}", name=f"sq{number:03d}", parent_id=projects[owner])
        for number, (owner, _) in enumerate(_shared(size.sequences, size.projects))
    ]
    shots = []
    for owner, number in _shared(size.shots, size.sequences):
        name = f"sq{owner:03d}_{10 * (number + 1):04d}"
        shots.append((name, rows.add("Shot", name, name=name, parent_id=sequences[owner])))
    _add_work(rows, size, shots, artists)


def _shared(count: int, owners: int) -> Iterator[tuple[int, int]]:
    """For each of `count` things, whose it is and the how-manieth of that owner, counted from 0."""
    previous, number = -1, 0
    for index in range(count):
        owner = index * owners // count
        number = number + 1 if owner == previous else 0
        previous = owner
        yield owner, number


def _project(rows: Rows, number: int) -> str:
    name = f"farm{number or ''}"
    return rows.add(
        "Project",
        name,
        name=name,
        full_name=f"Render farm {number + 1}",
        project_schema_id=rows.identifier("ProjectSchema", PRODUCTION.schema),
        disk_id=rows.identifier("Disk", "Projects"),
        root=name,
    )


def _add_work(rows: Rows, size: FarmSize, shots: list[tuple[str, str]], artists: list[str]) -> None:
    task_statuses = [rows.identifier("Status", name) for name in PRODUCTION.task_statuses]
    tasks = []
    for index, (owner, number) in enumerate(_shared(size.tasks, size.shots)):
        shot_name, shot = shots[owner]
        step, kind, product = _STEPS[number % len(_STEPS)]
        name = step + (str(number // len(_STEPS) + 1) if number >= len(_STEPS) else "")
        task = rows.add(
            "Task",
            f"{shot_name}/{name}",
            name=name,
            parent_id=shot,
            type_id=rows.identifier("Type", kind),
            status_id=task_statuses[index % len(task_statuses)],
            bid=28800,
        )
        artist = artists[index % len(artists)]
        rows.add("Appointment", f"{shot_name}/{name}", context_id=task, resource_id=artist, type="assignment")
        tasks.append((f"{shot_name}_{name}", task, shot, rows.identifier("AssetType", product), artist))
    assets = []
    for owner, number in _shared(size.assets, size.tasks):
        name, task, shot, kind, artist = tasks[owner]
        name += f"_{number + 1}" if number else ""
        assets.append((name, rows.add("Asset", name, name=name, context_id=shot, type_id=kind), task, artist))
    version_statuses = [rows.identifier("Status", name) for name in PRODUCTION.version_statuses]
    for index, (owner, number) in enumerate(_shared(size.versions, size.assets)):
        name, asset, task, artist = assets[owner]
        _add_version(rows, name, number + 1, version_statuses[index % len(version_statuses)], asset, task, artist)


def _add_version(rows: Rows, name: str, number: int, status: str, asset: str, task: str, artist: str) -> None:
    label = f"{name}/{number}"
    version = rows.add(
        "AssetVersion",
        label,
        asset_id=asset,
        task_id=task,
        version=number,
        user_id=artist,
        status_id=status,
        comment=f"Version {number}.",
    )
    component = rows.add(
        "FileComponent", label, name="main", version_id=version, file_type=".exr", size=1048576 + 1024 * number
    )
    rows.add(
        "ComponentLocation",
        label,
        component_id=component,
        location_id=LOCATIONS["ftrack.unmanaged"],
        resource_identifier=f"/mnt/projects/farm/{name}/v{number:03d}/{name}.exr",
    )
