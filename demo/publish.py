"""Record one publish: `python -m demo.publish FILE COMMENT`, as a farm job would after its render."""

from __future__ import annotations

import sys

from trackteroid import SESSION, Asset, AssetVersion, Query


def main(path: str, comment: str) -> None:
    with SESSION.deferred_operations(path, labels={"farm_job": comment}):
        asset = Query(Asset).by_name("bc0040_comp").get_one(projections=[AssetVersion, AssetVersion.Task])
        version = asset.AssetVersion.create(task=asset.AssetVersion.Task, comment=comment)
        component = version.Component.create(name="main")
        component.ComponentLocation.create(resource_identifier=f"/renders/{comment}.exr")


if __name__ == "__main__":
    main(*sys.argv[1:])
