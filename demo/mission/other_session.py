from trackteroid import (
    Query,
    AssetVersion,
    SCHEMA
)
from trackteroid.session import Session

session = Session()

Query(AssetVersion, session=session)
