"""The block behind `Session.deferred_operations`: what is done in it goes to a file and is never sent from here."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import ftrack_api.operation
from ftrack_api.symbol import NOT_SET as CLIENT_NOT_SET

from trackteroid.errors import BadInputError, RecordingNotFoundError, RecordingRefusedError
from trackteroid.operations import describing
from trackteroid.operations.appending import append
from trackteroid.operations.capturing import CapturingOperations
from trackteroid.operations.containers.locking import locked
from trackteroid.operations.effects import Effects, Identity, effects_of, identity_of, texts_in, without_unset
from trackteroid.operations.encoding import client_identity
from trackteroid.operations.expected import ExpectedOutputs
from trackteroid.operations.facts import facts_about
from trackteroid.operations.loaded import Held, cached, cells, uncache
from trackteroid.operations.local_state import promote, restore
from trackteroid.operations.manifest import COMMIT_AS, Manifest
from trackteroid.operations.operation import CreateOperation, Operation
from trackteroid.operations.operations_text import OperationsText
from trackteroid.operations.recording import Recording, read_recording, write_recording
from trackteroid.operations.stamping import recording_user_id, stamp
from trackteroid.settings import Settings

__all__ = ["Recorder"]


def _stamp_setting() -> bool:
    # Only this one: what is wrong with a setting of the queue is no reason not to record.
    name = "TRACKTEROID_STAMP"
    return Settings.from_environment({name: os.environ.get(name, "")}).stamp


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _new_id() -> str:
    return str(uuid.uuid4())


class Recorder:
    """A `with` block whose operations are written to a file instead of being pending.

    On a clean exit one file is written. Entities that the block created keep what was recorded as their loaded values,
    collections of other entities return to their members from before the block (a later change would send the whole list),
    and what was pending before is pending again. If the block raises, no file is written or changed, and what it did in
    memory is taken back. Blocks may be nested; what an inner one does goes to its own file only. Other threads are not
    affected: what they do meanwhile stays pending.

    Args:
        session: A `trackteroid.session.Session`.
        path: The file.
        clear: Whether to replace what the file holds; otherwise the block's operations are appended to it.
        labels: Words by which people will look for this recording, such as `{"farm_job": "123"}`.
        stamp: Whether what is created names the recording user, and the time of its release; default: `TRACKTEROID_STAMP`.
        commit_as: Under whose name it is to be committed: `worker` or `recorder`; default: decided where it is enqueued.
        clock: Returns the time, with a time zone.
        new_id: Returns a new id for the recording.

    Attributes:
        path: The file, absolute.
        recording: What was written; None before the block has ended, and if it raised.
    """

    def __init__(
        self,
        session: Any,
        path: str | os.PathLike[str],
        *,
        clear: bool = True,
        labels: Mapping[str, str] | None = None,
        stamp: bool | None = None,
        commit_as: str | None = None,
        clock: Callable[[], datetime] = _now,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        # As it is meant now: the block may change the working directory.
        self.path = Path(os.fsdecode(path)).absolute()
        self.recording: Recording | None = None
        self._session = session
        self._clear = clear
        self._labels = _checked_labels(labels)
        self._stamp = _stamp_setting() if stamp is None else stamp
        if commit_as is not None and commit_as not in COMMIT_AS:
            raise BadInputError(f"commit_as must be one of {', '.join(COMMIT_AS)}, not {commit_as!r}.")
        self._commit_as = commit_as
        self._clock = clock
        self._new_id = new_id
        self._operations: CapturingOperations | None = None
        self._thread: int | None = None
        self._outputs = ExpectedOutputs(self.path)

    def expects(self, component: Any, pattern: str | os.PathLike[str], *, frames: str | None = None) -> None:
        """Name files that must exist, and hold something, before this may be published.

        `trackteroid release` looks for them, and the worker gives their size and frames to the component:

            with SESSION.deferred_operations("publish.dbm") as recording:
                component = version.Component[SequenceComponent].create(name="beauty")
                recording.expects(component, "beauty.%04d.exr", frames="1001-1100")

        Args:
            component: A component, as a collection of one or as the client's entity; None: the files must merely exist. Each
                component has one output.
            pattern: Path of a file, or of a sequence with the frame as `%04d` or `####` in the file's name. A relative one is
                taken from the recording's folder.
            frames: The frames of a sequence, such as `1001-1100`, `1-10x2` or `1,5,9`.

        Raises:
            BadInputError: One of them cannot be used; says which, why and what would be.
        """
        self._outputs.add(component, pattern, frames)

    def __enter__(self) -> Recorder:
        """Begin to record.

        Raises:
            RecordingRefusedError: The folder is missing or cannot be written to, or the file belongs to another server.
            RecordingFormatError: With `clear=False`, the existing file is no recording.
        """
        if self._operations is not None:
            raise BadInputError("A deferred_operations block is entered once; call deferred_operations(path) again.")
        _check_target(self.path)
        if not self._clear:
            self._check_server(self._existing())
        self._operations = CapturingOperations(self._session)
        self._thread = threading.get_ident()
        self._session.push_operations(self._operations)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the block: write the file, or take back what was done if the block raised.

        Raises:
            RecordingRefusedError: The block did something that cannot be recorded; nothing is written.
            RecordingError: The file cannot be written; the old one is untouched.
        """
        operations = self._operations
        if operations is None or threading.get_ident() != self._thread:
            raise BadInputError("A deferred_operations block must be left by the thread that entered it.")
        recorded_into = self._session.pop_operations()
        if error is not None:
            self._take_back(operations)
            return
        try:
            if recorded_into is not operations:
                raise RecordingRefusedError("session.recorded_operations was replaced inside the block.")
            if self._session.closed:
                raise RecordingRefusedError("The session was closed inside the block, which drops what was recorded.")
            self.recording = self._write(operations)
        except BaseException:
            self._take_back(operations)
            raise

    def _write(self, captured: CapturingOperations) -> Recording:
        block: Sequence[Operation] = captured.recorded()
        _check_needs(self._session, block, captured)
        with contextlib.nullcontext() if self._clear else locked(self.path):
            return self._write_block(captured, block)

    def _write_block(self, captured: CapturingOperations, block: Sequence[Operation]) -> Recording:
        # Read again: another block may have appended to the file meanwhile.
        previous = self._existing()
        self._check_server(previous)
        if previous is not None and not block:
            if self._outputs:
                raise RecordingRefusedError(
                    f"The block expects files but records nothing that could be added to {self.path}."
                )
            # A new id for the same operations would let them be committed a second time.
            return previous
        connected = self._session.generation > 0
        unstamped: Mapping[Identity, str] = {}
        if self._stamp:
            block, unstamped = stamp(block, lambda: recording_user_id(self._session))
        operations = tuple(without_unset(block))
        effects = effects_of(operations)
        text = OperationsText(operations)
        entities = _in_memory(self._session, effects)
        recording = self._describe(text, effects, entities, captured, unstamped)
        if previous is not None:
            baselines = describing.baselines_of(operations, captured.touches, captured.ensures.keys())
            schemas = self._session.schemas if connected else ()
            recording = append(previous, recording, schemas, block=block, baselines=baselines)
        write_recording(self.path, recording, text=text)
        if connected:
            self._settle(operations, effects, entities, captured)
            describing.remember_written(session_memory(self._session), operations, captured.touches)
            recorded_creates(self._session).update(effects.created)
        return recording

    def _describe(
        self,
        text: OperationsText,
        effects: Effects,
        entities: Mapping[Identity, Held],
        captured: CapturingOperations,
        unstamped: Mapping[Identity, str],
    ) -> Recording:
        session = self._session
        connected = session.generation > 0
        texts = describing.KeyTexts()
        earlier = recorded_creates(session)
        manifest = Manifest(
            recording_id=self._new_id(),
            digest=text.digest,
            created_at=self._clock().astimezone(timezone.utc).isoformat(),
            user=session.api_user if connected else None,
            system_user=describing.system_user(),
            host=describing.host(),
            application=describing.application(),
            server_url=session.server_url if connected else None,
            schema_hash=session.schema_hash if connected else None,
            library_versions=describing.library_versions(),
            created=tuple([texts[key] for key in effects.created]),
            updated={texts[key]: names for key, names in effects.updated.items()},
            deleted=tuple([texts[key] for key in effects.deleted]),
            referenced=tuple([texts[key] for key in describing.referenced_by(session, text.operations, effects)]),
            recorded_before=tuple([texts[key] for key in (*effects.updated, *effects.deleted) if key in earlier]),
            bases=tuple(describing.bases_of(session, effects, captured.touches, session_memory(session))),
            deltas=tuple(describing.deltas_of(text.operations, captured.touches, captured.ensures.keys())),
            context=facts_about(session, entities, paths=self._outputs.patterns),
            labels=self._labels,
            outputs=self._outputs.settled(effects),
            unstamped={texts[key]: name for key, name in unstamped.items()},
            ensures=tuple(captured.ensures[key] for key in effects.created if key in captured.ensures),
            stamped=self._stamp,
            commit_as=self._commit_as,
        )
        return Recording(text.operations, describing.records_of(session, effects, entities, texts), manifest)

    def _existing(self) -> Recording | None:
        if self._clear:
            return None
        try:
            return read_recording(self.path)
        except RecordingNotFoundError:
            return None

    def _check_server(self, existing: Recording | None) -> None:
        known = None if existing is None else existing.server_url
        if known is not None and self._session.generation > 0 and known != self._session.server_url:
            raise RecordingRefusedError(
                f"{self.path} was recorded against {known}, this session is connected to {self._session.server_url}: "
                "one recording cannot be committed to two servers."
            )

    def _settle(
        self,
        operations: Sequence[Operation],
        effects: Effects,
        entities: Mapping[Identity, Held],
        captured: CapturingOperations,
    ) -> None:
        """Leave the session's memory as it should be after the block."""
        gone = set(effects.deleted)
        data = _data_of_creates(operations)
        for key in captured.created:
            if key in gone or key not in data or len(key[1]) > 1:
                # (What is known by what it belongs to may be created again in the next block: metadata of the same name.)
                uncache(self._session, key)
                continue
            held = entities.get(key)
            if held is None:
                continue
            entity = held.entity
            promote(entity, held.cells, data[key], effects.updated.get(key, ()))
            stored = cells(entity)
            for name, value in data[key].items():
                cell = stored.get(name)
                # What was stamped: the entity has no value of its own for it.
                if cell is None or (cell["remote"] is CLIENT_NOT_SET and cell["local"] is CLIENT_NOT_SET):
                    attribute = entity.attributes.get(name)
                    if attribute is not None:
                        attribute.set_remote_value(entity, value)
        # Values that were set before the block and wait to be sent; others set in the block stay visible.
        waiting = _waiting_updates(self._session) if captured.touches else set()
        restore(
            self._session,
            (touch for slot, touch in captured.touches.items() if touch.members is not None or slot in waiting),
        )

    def _take_back(self, captured: CapturingOperations) -> None:
        if self._session.generation == 0:
            return
        restore(self._session, captured.touches.values())
        for key in captured.created:
            uncache(self._session, key)


def _in_memory(session: Any, effects: Effects) -> dict[Identity, Held]:
    """Return the entities that a block creates, updates or deletes, as far as the session has them in memory."""
    touched = dict.fromkeys((*effects.created, *effects.updated, *effects.deleted))
    return {key: Held.of(entity) for key in touched if (entity := cached(session, key)) is not None}


def session_memory(session: Any) -> dict[tuple[Identity, str], tuple[Any, ...]]:
    """Return what earlier blocks of this connection have recorded: the values of each attribute."""
    memory: dict[tuple[Identity, str], tuple[Any, ...]] = (
        session.remembered.setdefault("recorded values", {}) if session.generation > 0 else {}
    )
    return memory


def recorded_creates(session: Any) -> set[Identity]:
    """Return what earlier blocks of this connection have created, and what may therefore not be on the server yet."""
    memory: set[Identity] = (
        session.remembered.setdefault("recorded creates", set()) if session.generation > 0 else set()
    )
    return memory


def _pending(session: Any) -> Iterator[Any]:
    """Yield the client's operations that are pending outside the block that this thread has just left."""
    for operations in (*session.hidden_operations, session.recorded_operations if session.in_deferred_block else ()):
        yield from list(operations)


def _waiting_updates(session: Any) -> set[tuple[Identity, str]]:
    return {
        (client_identity(operation), operation.attribute_name)
        for operation in _pending(session)
        if isinstance(operation, ftrack_api.operation.UpdateEntityOperation)
    }


def _check_needs(session: Any, block: Sequence[Operation], captured: CapturingOperations) -> None:
    """Refuse a block that needs an entity which whoever commits the recording would not find.

    Raises:
        RecordingRefusedError: Names what needs it, and the entity.
    """
    # Within another block nothing can be committed: advice must be something that can be followed.
    remedy = "Create it inside" if session.in_deferred_block else "Commit it before the block, or create it inside"
    lacking: dict[Identity, str] = {
        client_identity(operation): f"was created outside the block and is still pending. {remedy}"
        for operation in _pending(session)
        if isinstance(operation, ftrack_api.operation.CreateEntityOperation)
    }
    lacking.update(dict.fromkeys(captured.created, "was created in the block and rolled back"))
    for operation in block:
        if isinstance(operation, CreateOperation):
            lacking.pop(identity_of(operation), None)
    if not lacking:
        return
    # Foreign keys are mere text, so an id in any text counts.
    by_id = {key[1][0]: key for key in lacking if len(key[1]) == 1}
    for operation in block:
        own = identity_of(operation)
        effects = effects_of([operation])
        needed = [*(() if effects.created else (own,)), *effects.referenced]
        needed += [by_id[text] for text in (*own[1], *texts_in(operation)) if text in by_id]
        for key in needed:
            if key in lacking:
                subject = "it changes" if key == own else f"{own[0]} {', '.join(own[1])} needs"
                raise RecordingRefusedError(
                    f"The block cannot be recorded: {subject} {key[0]} {', '.join(key[1])}, which {lacking[key]}."
                )


def _data_of_creates(operations: Sequence[Operation]) -> dict[Identity, Mapping[str, Any]]:
    return {
        (operation.entity_type, tuple(operation.entity_key.values())): operation.entity_data
        for operation in operations
        if isinstance(operation, CreateOperation)
    }


def _checked_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    if labels is not None and not isinstance(labels, Mapping):
        raise BadInputError(f'labels must be a dictionary such as {{"farm_job": "123"}}, not {labels!r}.')
    checked = dict(labels or {})
    for name, value in checked.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float):
            raise BadInputError(f"The label {name!r}: {value!r} cannot be used: names and values must be text.")
    return {name: str(value) for name, value in checked.items()}


def _check_target(path: Path) -> None:
    """Refuse at entry what would only fail at exit, when the work is done."""
    try:
        folder = Path(os.path.realpath(path)).parent
        is_folder, is_other = path.is_dir(), path.exists() and not path.is_file()
    except (OSError, ValueError) as error:
        raise RecordingRefusedError(f"A recording cannot be written to {str(path)!r:.200}: {error}.") from error
    if not path.name or is_folder:
        raise RecordingRefusedError(f"{path} cannot be written: it is a folder.")
    if is_other:
        # Root may replace even /dev/null.
        raise RecordingRefusedError(f"{path} cannot be written: it is a device, a pipe or a socket.")
    if not folder.is_dir():
        raise RecordingRefusedError(f"{path} cannot be written: there is no folder {folder}. Create it first.")
    try:
        # Asking for permission (os.access) gives wrong answers on network shares.
        with tempfile.TemporaryFile(prefix=".trackteroid-", dir=folder):
            return
    except OSError as error:
        raise RecordingRefusedError(
            f"{path} cannot be written: the folder {folder} does not let us ({error.strerror})."
        ) from error
