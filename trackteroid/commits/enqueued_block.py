"""The block behind `Session.enqueued_operations`: record to a temporary file, enqueue on exit."""

from __future__ import annotations

import shlex
import shutil
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from trackteroid.commits.enqueueing import check_terms, enqueue
from trackteroid.commits.handle import CommitHandle
from trackteroid.errors import BadInputError, TrackteroidError
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings

__all__ = ["EnqueuedBlock"]


class _OpenBlocks(threading.local):
    def __init__(self) -> None:
        self.stack: list[EnqueuedBlock] = []


_open = _OpenBlocks()


class EnqueuedBlock:
    """A `with` block whose operations are recorded and enqueued when it ends; gives the commit's handle.

    If the block raises, nothing is enqueued. Blocks may be nested like a stack: an inner one is enqueued when its outermost one
    has ended, before it (the outer one may use what the inner one created), and not at all if an outer one raises.

    Args:
        session: A `trackteroid.session.Session`.
        labels: Words by which people will look for the commit.
        hold, priority, depends_on, commit_as: As for `enqueue`.
        stamp: As for `Session.deferred_operations`.
        settings: Default: the environment's when the block ends.
    """

    def __init__(
        self,
        session: Any,
        *,
        labels: Mapping[str, str] | None = None,
        hold: bool = False,
        priority: int = 0,
        depends_on: Iterable[str] = (),
        stamp: bool | None = None,
        commit_as: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        # Refused before the work is done, not after it.
        check_terms(priority, depends_on, commit_as)
        self._terms: dict[str, Any] = {"hold": hold, "priority": priority, "depends_on": tuple(depends_on)}
        self._stamp = stamp
        self._commit_as = commit_as
        self._session = session
        self._labels = labels
        self._settings = settings
        self._handle = CommitHandle()
        self._folder: Path | None = None
        self._recorder: Any = None
        # Inner blocks that ended well and wait for this one.
        self._inner: list[EnqueuedBlock] = []

    def __enter__(self) -> CommitHandle:
        if self._folder is not None:
            raise BadInputError("An enqueued_operations block is entered once; call enqueued_operations() again.")
        self._folder = Path(tempfile.mkdtemp(prefix="trackteroid-block-"))
        try:
            self._recorder = self._session.deferred_operations(
                self._path, labels=self._labels, stamp=self._stamp, commit_as=self._commit_as
            )
            self._recorder.__enter__()
        except BaseException:
            self._remove()
            raise
        _open.stack.append(self)
        return self._handle

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the block and enqueue it, unless it is an inner one or raised.

        Raises:
            RecordingRefusedError: The block did something that cannot be recorded; nothing is enqueued.
            SpoolError: Neither Redis nor the spool take it; the recording's file is kept, and the text says where.
        """
        if self in _open.stack:
            _open.stack.remove(self)
        try:
            self._recorder.__exit__(kind, error, traceback)
        except BaseException:
            self._abandon("Nothing was enqueued: the block could not be recorded.")
            raise
        if error is not None:
            self._abandon("Nothing was enqueued: the block, or one around it, raised an exception.")
            return
        ended = [*self._inner, self]
        outer = next((block for block in reversed(_open.stack) if block._session is self._session), None)
        if outer is not None:
            outer._inner.extend(ended)
            return
        _enqueue_all(ended)

    @property
    def _path(self) -> Path:
        if self._folder is None:
            raise BadInputError("The block has not been entered.")
        return self._folder / "recording.dbm"

    def _abandon(self, reason: str) -> None:
        for block in (*self._inner, self):
            block._handle.abandon(reason)
            block._remove()

    def _remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _enqueue(self) -> None:
        recording: Recording = self._recorder.recording
        try:
            result = enqueue(recording, settings=self._settings, **self._terms)
        except BaseException:
            self._handle.abandon(f"It could not be enqueued; the recording is kept at {self._path}.")
            raise
        self._handle.follow(result.commit)
        self._remove()


def _enqueue_all(blocks: list[EnqueuedBlock]) -> None:
    """Enqueue blocks in this order; one that cannot be enqueued does not keep the others."""
    failures: list[tuple[EnqueuedBlock, TrackteroidError]] = []
    for block in blocks:
        try:
            block._enqueue()
        except TrackteroidError as error:
            failures.append((block, error))
    if failures:
        _, first = failures[0]
        kept = " ".join(shlex.quote(str(block._path)) for block, _ in failures)
        raise type(first)(f"{first} Nothing is lost: `trackteroid enqueue {kept}` when that is repaired.") from first
