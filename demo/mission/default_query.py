from trackteroid import (
    AssetVersion,
    Query,
    SCHEMA,
    SESSION,
)

# same as Query(AssetVersion)
Query(AssetVersion, session=SESSION, schema=SCHEMA.default)
