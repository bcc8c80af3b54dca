"""What the studio allows workers to commit: the rules in its configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trackteroid import configuration
from trackteroid.errors import ConfigurationError, PolicyError, RecordingRefusedError
from trackteroid.operations.operation import DeleteOperation, Operation
from trackteroid.operations.recording import Recording

__all__ = ["refuse_forbidden"]


def refuse_forbidden(recording: Recording, *, session: Any = None) -> None:
    """Refuse a recording that holds an operation which the studio does not allow.

    Asks `ALLOWED_FOR_COMMIT_RESOLVER(recording, operation)` about every operation and
    `ALLOWED_FOR_DELETION_RESOLVER(session=..., type_name=...)` about every type that it deletes from. One that is not allowed
    refuses the whole recording: half a publish is none.

    Args:
        recording: What was recorded.
        session: The worker's session, for the deletion rule.

    Raises:
        RecordingRefusedError: Names the first operation that is not allowed.
        PolicyError: A rule itself fails.
        ConfigurationError: The configuration file cannot be used.
    """
    may_commit = configuration.ALLOWED_FOR_COMMIT_RESOLVER
    may_delete = configuration.ALLOWED_FOR_DELETION_RESOLVER
    deletable: dict[str, bool] = {}
    for number, operation in enumerate(recording.operations, 1):
        rule = "ALLOWED_FOR_COMMIT_RESOLVER"
        with _blamed_on(rule, number, operation):
            allowed = bool(may_commit(recording, operation))
        if allowed and isinstance(operation, DeleteOperation):
            rule, kind = "ALLOWED_FOR_DELETION_RESOLVER", operation.entity_type
            with _blamed_on(rule, number, operation):
                if kind not in deletable:
                    deletable[kind] = bool(may_delete(session=session, type_name=kind))
            allowed = deletable[kind]
        if not allowed:
            raise RecordingRefusedError(
                f"The studio's {rule} does not allow operation {number} of {len(recording.operations)}: {_text(operation)}. "
                "Nothing was sent."
            )


@contextmanager
def _blamed_on(rule: str, number: int, operation: Operation) -> Iterator[None]:
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        raise PolicyError(
            f"The studio's {rule} fails for operation {number}, {_text(operation)}: {type(error).__name__}: {error}. "
            "Nothing was sent; correct the file that TRACKTEROID_CONFIGURATION names."
        ) from error


def _text(operation: Operation) -> str:
    kind = type(operation).__name__.removesuffix("Operation").lower()
    return f"{kind} {operation.entity_type} {', '.join(map(str, operation.entity_key.values()))}"
