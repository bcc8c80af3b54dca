"""The protocol's core: a batch in, the answer out. No HTTP, no threads, no clock of its own (specification 1.3, 2.8)."""

from __future__ import annotations

import secrets
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from trackteroid.sandbox.actions import ACTIONS
from trackteroid.sandbox.batch import Batch, Written
from trackteroid.sandbox.call import Call, ServedSchemas
from trackteroid.sandbox.changes import Change
from trackteroid.sandbox.committed import Committed
from trackteroid.sandbox.credentials import Caller, authenticate
from trackteroid.sandbox.defaults import Request
from trackteroid.sandbox.errors import DataFileError, MalformedRequestError, UnknownActionError, ValidationError
from trackteroid.sandbox.file_links import FileLinks
from trackteroid.sandbox.loading import Loader
from trackteroid.sandbox.projection import Node
from trackteroid.sandbox.racing import RecentVersions
from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.values import stored_time
from trackteroid.sandbox.visibility import sight_of

__all__ = ["Api"]

_WRITING = ("create", "update", "delete")
# What SQLite says of a disk that is full or broken, or of a file that was taken away.
_FILE_TROUBLE = ("disk", "readonly", "unable to open", "locked")


class Api:
    """Answers batches.

    Args:
        storage: The data.
        clock: Seconds since 1970.
        new_id: Makes the ids that clients leave to the server.
        url: Address of this server, for the URLs in answers to who doesn't say how he reached it.

    Attributes:
        links: The URLs of files that need no credentials; they live as long as this object.
        on_commit: Told what each committed request changed, before anybody else can change more.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        url: str = "http://127.0.0.1",
    ) -> None:
        self.storage = storage
        self.url = url
        self.links = FileLinks(url, secrets.token_bytes(32), clock)
        self.on_commit: Callable[[Committed], None] | None = None
        self.served = ServedSchemas.of(storage)
        self._clock = clock
        self._new_id = new_id
        self._recent_versions = RecentVersions(clock)

    def handle(
        self,
        payload: Any,
        *,
        username: str | None,
        api_key: str | None,
        client_token: str | None = None,
        push_token: str | None = None,
        denormalized: bool = False,
        racy_seconds: float = 0.0,
        url: str | None = None,
    ) -> Any:
        """Run one request's batch: all or nothing.

        Args:
            payload: The decoded body, a list of operations; a single operation gets its bare result.
            client_token, push_token: The client's own marks, handed on with what was changed.
            denormalized: Write an entity out wherever it occurs, not only at its first place.
            url: Under which address the client reached this server, for the URLs in its answer; the server's own if not
                given.
            racy_seconds: Number new versions as if those of the last seconds were just being made by somebody else.

        Returns:
            One result per operation.

        Raises:
            ApiError: Any operation failed; nothing was changed.
        """
        with self.storage.lock:
            caller = authenticate(self.storage, username, api_key)
            if not isinstance(payload, (dict, list)):
                raise MalformedRequestError("The body must be a list of operations.")
            operations = [payload] if isinstance(payload, dict) else payload
            unseen = self._recent_versions.within(racy_seconds)
            answers, changes = self._run(operations, caller, unseen, denormalized=denormalized, url=url or self.url)
            if racy_seconds:
                self._recent_versions.note(changes)
            if changes and self.on_commit is not None:
                marks = {"client_token": client_token, "push_token": push_token}
                self.on_commit(Committed(changes=tuple(changes), caller=caller, **marks))
            return answers[0] if isinstance(payload, dict) else answers

    def _run(
        self, operations: list[Any], caller: Caller, unseen_versions: frozenset[str], *, denormalized: bool, url: str
    ) -> tuple[list[Any], list[Change]]:
        for operation in operations:
            if not isinstance(operation, dict) or not isinstance(operation.get("action"), str):
                raise MalformedRequestError('Every operation must be an object with an "action".')
        # As it is before the request: nobody lets himself in.
        sight = sight_of(self.storage, caller.user_id)
        with self._translated(), self.storage.transaction():
            request = Request(user_id=caller.user_id, now=stored_time(self._clock()), new_id=self._new_id)
            batch = Batch(self.storage, request, sight=sight, unseen_versions=unseen_versions)
            call = Call(
                storage=self.storage,
                served=self.served,
                caller=caller,
                sight=sight,
                url=url,
                new_id=self._new_id,
                write=partial(self._write, batch),
                links=self.links.at(url),
                denormalized=denormalized,
            )
            results = [self._operate(batch, operation, call) for operation in operations]
            batch.finish()
            # Answers are put together at the end: later operations may have changed what earlier ones made.
            return self._answers(operations, results, call), batch.changes.log

    def apply(self, operations: list[dict[str, Any]], *, user_id: str | None = None) -> None:
        """Write a batch without credentials and without an answer: how seeds get in."""
        with self.storage.transaction():
            request = Request(user_id=user_id, now=stored_time(self._clock()), new_id=self._new_id)
            batch = Batch(self.storage, request)
            for operation in operations:
                self._write(batch, operation)
            batch.finish()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What a request can provoke in the layers below is the request's fault, not the server's; a full disk isn't."""
        try:
            yield
        except RecursionError:
            raise ValidationError("The request is nested too deeply.") from None
        except sqlite3.OperationalError as error:
            if str(error) == "interrupted":
                patience = f"{self.storage.patience:g} seconds"
                raise ValidationError(
                    f"The request was given up: one statement took longer than {patience}."
                ) from error
            if any(word in str(error) for word in _FILE_TROUBLE):
                raise DataFileError(
                    f"The sandbox cannot use its data file, and nothing was changed: {error}."
                ) from error
            raise ValidationError(f"The request is too complex: {error}.") from error

    def _operate(self, batch: Batch, operation: dict[str, Any], call: Call) -> Any:
        name = operation["action"]
        if name in _WRITING:
            return self._write(batch, operation)
        if name not in ACTIONS:
            # The odd u'' is how a real server says it, and clients look for exactly that.
            raise UnknownActionError(f"Invalid action u'{name}'")
        return ACTIONS[name](call, operation)

    @staticmethod
    def _write(batch: Batch, operation: dict[str, Any]) -> Any:
        entity_type = operation.get("entity_type")
        if not isinstance(entity_type, str):
            raise MalformedRequestError(f'Action "{operation["action"]}" needs an "entity_type".')
        if operation["action"] == "create":
            return batch.create(entity_type, operation.get("entity_data"))
        if operation["action"] == "update":
            return batch.update(entity_type, operation.get("entity_key"), operation.get("entity_data"))
        batch.delete(entity_type, operation.get("entity_key"))
        return {"action": "delete", "data": True}

    def _answers(self, operations: list[dict[str, Any]], results: list[Any], call: Call) -> list[Any]:
        """Replace written entities by what the answer shows of them, with one statement per kind of entity."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for index, result in enumerate(results):
            if isinstance(result, Written):
                groups.setdefault((result.entity_type.name, *sorted(set(result.names))), []).append(index)
        answers = list(results)
        for indices in groups.values():
            for index, entity in zip(indices, self._load([results[index] for index in indices], call), strict=True):
                answers[index] = {"action": operations[index]["action"], "data": entity}
        return answers

    def _load(self, group: list[Written], call: Call) -> list[dict[str, Any]]:
        entity_type = group[0].entity_type
        node = Node({name: Node() for name in group[0].names})
        loader = Loader(call.rows)
        keys = entity_type.primary_key
        if len(keys) == 1:
            found = loader.by_key(entity_type, node, [written.key[0] for written in group])
            entities = [found.get(str(written.key[0]).lower(), found.get(written.key[0])) for written in group]
        else:
            entities = [next(iter(loader.by_keys(entity_type, node, written.key)), None) for written in group]
        return [self._answer(written, entity) for written, entity in zip(group, entities, strict=True)]

    @staticmethod
    def _answer(written: Written, entity: dict[str, Any] | None) -> dict[str, Any]:
        if entity is None:
            # Deleted again by the same batch.
            entity = {"__entity_type__": written.entity_type.name}
            entity.update(zip(written.entity_type.primary_key, written.key, strict=True))
        # The same entity may be in the answer twice, with its times sent in two spellings.
        return {**entity, **{name: written.times[name] for name in written.times if name in entity}}
