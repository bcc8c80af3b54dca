"""What a type checker knows after a star import. Never executed: `tests/integration/library` runs mypy on it."""

# ruff: noqa: F403, F405

from __future__ import annotations

from typing_extensions import assert_type

from trackteroid import *

assert_type(Query(Shot).get_one(), EntityCollection[Shot])
known: type[TypedContext] = Shot
print(SESSION, SCHEMA.default, TASK_TYPES, NOT_SET, Criteria.InvalidArgumentsError, Criterion)
