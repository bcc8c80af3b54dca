from trackteroid import (
    Query,
    SESSION,
    Asset,
    AssetVersion,
    Component,
    ComponentLocation
)

operations_file = "/tmp/recorded_operations.dbm"

with SESSION.deferred_operations(operations_file):
    asset_collection = Query(Asset).by_name("bc0040_comp").get_one(
        projections=[
            AssetVersion,
            AssetVersion.Task,
            Component,
            ComponentLocation.resource_identifier,
        ]
    )
    assetversion_collection = asset_collection.AssetVersion.create(
        task=asset_collection.AssetVersion.Task
    )
    component_collection = assetversion_collection.Component.create(
        name="main"
    )
    componentlocation_collection = component_collection.ComponentLocation.create(
        resource_identifier="/path/to/final/file"
    )
    assetversion_collection.is_published = True
