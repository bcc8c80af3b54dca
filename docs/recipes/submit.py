"""Submitter: record what the render will be published as, and hold it until the frames are there.

Runs where the artist submits (a DCC, a web service). Needs `FTRACK_SERVER`, `FTRACK_API_USER`, `FTRACK_API_KEY` (the artist's)
and `TRACKTEROID_REDIS_URL`; `TRACKTEROID_SPOOL` should be a folder that the workers see too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from trackteroid import SESSION, Query, Shot, enqueue

__all__ = ["hold"]


def hold(shot: str, asset: str, layer: str, *, version: int, pattern: str, frames: str, labels: dict[str, str]) -> str:
    """Record a version with one sequence, hold it, and return the id that the farm's job releases.

    Args:
        shot: Its name.
        asset: Name of the asset; made if it does not exist, once, however many layers ask for it.
        layer: What the component is called.
        version: The number that is in the path. If it is taken by then, the publish is dead with that reason.
        pattern: The frames to come, `/mnt/shows/bc/v012/beauty.%04d.exr`.
        frames: Which, `1001-1100`.
        labels: Words by which people will look for it, such as the farm's job.
    """
    (entity,) = Query(Shot).by_name(shot).get_one(projections=["project.full_name"]).client_entities
    kind = SESSION.query('AssetType where name is "Image Sequence"').first()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "publish.dbm"
        with SESSION.deferred_operations(path, labels=labels) as recording:
            owner = SESSION.ensure("Asset", {"name": asset, "parent": entity, "type": kind}, ["name", "parent"])
            publish = SESSION.create("AssetVersion", {"asset": owner, "version": version})
            component = SESSION.create("SequenceComponent", {"name": layer, "version": publish})
            recording.expects(component, pattern, frames=frames)
        return enqueue(path, hold=True).commit_id
