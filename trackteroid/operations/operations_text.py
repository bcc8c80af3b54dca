"""The JSON text of operations: what their digest is taken over, and what stands in files and payloads.

The digest's text has the names of every object sorted. In a file an object's order may have a meaning: the original library
takes the parts of a composite key as they stand there. Operations of everyday say the same either way, and are encoded once.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence

from trackteroid import fast_json
from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.operation import (
    JSON,
    NOT_SET,
    CreateOperation,
    NotSet,
    Operation,
    UpdateOperation,
    operation_to_json,
)

__all__ = ["OperationsText", "digest_of"]

_SCALARS = frozenset({str, int, bool, type(None), NotSet})


def digest_of(operations: Sequence[Operation]) -> str:
    """Return the SHA-256, hexadecimal, over the canonical form of operations."""
    return OperationsText(tuple(operations)).digest


class OperationsText:
    """Operations, encoded when that is first asked for, and once.

    Args:
        operations: In their order.

    Attributes:
        operations: Those.
    """

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        self.operations = operations

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical form, hexadecimal."""
        return hashlib.sha256(self._canonical).hexdigest()

    def in_file(self, *, ours: bool) -> bytes:
        """Return the JSON list that files and payloads hold, in ASCII.

        Args:
            ours: Whether it goes to a recording with a manifest.

        Raises:
            RecordingRefusedError: In one of ours an update goes back to "no value": readers take the text for it literally.
        """
        if ours:
            for operation in self.operations:
                if isinstance(operation, UpdateOperation) and operation.new_value is NOT_SET:
                    raise RecordingRefusedError(
                        f"An update of {operation.entity_type}.{operation.attribute_name} back to no value cannot be "
                        "written."
                    )
        return self._canonical if self._is_plain else fast_json.canonical(self._fields(), sort=False)

    @functools.cached_property
    def _canonical(self) -> bytes:
        return fast_json.canonical(self._fields(), plain=self._is_plain)

    def _fields(self) -> list[dict[str, JSON]]:
        return [operation_to_json(operation) for operation in self.operations]

    @functools.cached_property
    def _is_plain(self) -> bool:
        """Whether all have one text: in the digest's order and in their own, whoever writes it."""
        for operation in self.operations:
            if len(operation.entity_key) > 1 and not _are_plain((operation.entity_key,)):
                return False
            if isinstance(operation, UpdateOperation):
                new, old = operation.new_value, operation.old_value
                if new.__class__ not in _SCALARS and not _are_plain((new,)):
                    return False
                if old.__class__ not in _SCALARS and not _are_plain((old,)):
                    return False
            elif isinstance(operation, CreateOperation) and not _are_plain(operation.entity_data.values()):
                # The order of the attributes themselves has no meaning.
                return False
        return True


def _are_plain(values: Iterable[JSON]) -> bool:
    for value in values:
        kind = value.__class__
        if kind in _SCALARS:
            continue
        if kind is dict:
            former = ""
            for name, item in value.items():
                if name < former or (item.__class__ not in _SCALARS and not _are_plain((item,))):
                    return False
                former = name
        elif kind is list:
            if not _are_plain(value):
                return False
        elif kind is not float or not fast_json.is_written_alike(value):
            return False
    return True
