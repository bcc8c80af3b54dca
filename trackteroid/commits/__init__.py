"""Committing recordings exactly once: the ledger, the committer and what leads a recording to them.

Importing any of it imports neither celery nor ftrack_api; redis is imported by `redis_ledger`, `redis_client` and `health` only.
"""

from __future__ import annotations
