"""What runs in an artist's submitter: records publishes of renders that do not exist yet, and holds them.

    python -m tests.integration.farm.submitter PLAN

The plan is a JSON list of publishes; one commit id a line is printed, in its order.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from trackteroid import SESSION, Query, Shot, enqueue

__all__ = ["submit"]


def submit(publish: dict[str, Any], folder: Path) -> str:
    """Record and hold one publish; return the commit's id."""
    path = folder / f"{publish['asset']}-{publish['layer']}.dbm"
    shot = Query(Shot).by_name(publish["shot"]).get_one(projections=["project.full_name", "link"])
    with SESSION.deferred_operations(path, labels=publish["labels"]) as recording:
        asset = SESSION.ensure(
            "Asset",
            {
                "name": publish["asset"],
                "parent": shot.client_entities[0],
                "type": SESSION.query("AssetType").first(),
            },
            identifying_keys=["name", "parent"],
        )
        version = SESSION.create(
            "AssetVersion", {"asset": asset, "version": publish["version"], "comment": publish["layer"]}
        )
        component = SESSION.create("SequenceComponent", {"name": publish["layer"], "version": version, "padding": 4})
        recording.expects(component, publish["pattern"], frames=publish["frames"])
    return enqueue(path, hold=True).commit_id


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="submitter-") as name:
        for line in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
            print(submit(line, Path(name)), flush=True)
