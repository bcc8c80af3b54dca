"""The outputs that a block names while it is recorded (`recording.expects`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from trackteroid.errors import BadInputError, RecordingRefusedError
from trackteroid.operations.effects import Effects, Identity
from trackteroid.operations.loaded import identity, is_entity, loaded
from trackteroid.operations.operation import JSON, key_text
from trackteroid.operations.outputs import Output
from trackteroid.path_roots import is_windows_path

__all__ = ["ExpectedOutputs"]


class ExpectedOutputs:
    """Collects outputs, each checked when it is named: a slip shows in the submitter, not after the render.

    Args:
        recording: Path of the recording, from whose folder relative patterns are taken.
    """

    def __init__(self, recording: Path) -> None:
        self._recording = recording
        self._found: list[tuple[Identity | None, Output]] = []

    def add(self, component: Any, pattern: str | os.PathLike[str], frames: str | None) -> None:
        """Note an output; see `Recorder.expects`.

        Raises:
            BadInputError: It cannot be used.
        """
        entity = None if component is None else _entity(component)
        key = None if entity is None else identity(entity)
        if key is not None and key in (known for known, _ in self._found):
            raise BadInputError(
                f"{key[0]} {key[1][0]} has an output already; a component is one file or one sequence. Make one for each, or "
                "name further files with expects(None, ...)."
            )
        if frames is not None and not isinstance(frames, str):
            raise BadInputError(f"The frames must be text such as '1001-1100', not {frames!r}.")
        output = Output(
            pattern=self._absolute(os.fsdecode(pattern)),
            frames=frames,
            component=None if key is None else key_text(*key),
            name="" if entity is None else _name(entity),
        )
        output.check()
        self._found.append((key, output))

    def settled(self, effects: Effects) -> tuple[dict[str, JSON], ...]:
        """Return the outputs as the manifest keeps them, when the block has ended.

        Raises:
            RecordingRefusedError: A component is not created in this block: a worker could not give it what was found.
        """
        created = set(effects.created) - set(effects.deleted)
        for key, output in self._found:
            if key is not None and key not in created:
                raise RecordingRefusedError(
                    f"The block expects {output.pattern} for {key[0]} {key[1][0]}, which it does not create. Create the "
                    "component in the block, or expect the files without one: expects(None, ...)."
                )
        return tuple(output.to_json() for _, output in self._found)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths that were named."""
        return tuple(output.pattern for _, output in self._found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def _absolute(self, pattern: str) -> str:
        if is_windows_path(pattern) or os.path.isabs(pattern):
            return pattern
        # Of the folder, links are left: it is written for other machines too.
        return os.path.join(os.path.dirname(os.path.abspath(self._recording)), pattern)


def _entity(component: Any) -> Any:
    """Return the client's entity in a collection of one, or the entity that was given."""
    held = getattr(component, "client_entities", None)
    if isinstance(held, tuple) and not is_entity(component):
        if len(held) != 1:
            raise BadInputError(f"expects() takes one component, not {len(held)}: call it for each of them.")
        found = held[0]
    else:
        found = component
    if not is_entity(found) or not str(found.entity_type).endswith("Component"):
        raise BadInputError(f"expects() takes a component, not {component!r}.")
    return found


def _name(entity: Any) -> str:
    name = loaded(entity, "name")
    return name if isinstance(name, str) else ""
