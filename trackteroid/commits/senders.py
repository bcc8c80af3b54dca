"""In whose name a batch is sent, and whose name stands on what it creates.

ftrack stamps the API user on what is created, on histories and on events. A worker that holds a global API key may send a batch
in the recorder's name (`commit_as="recorder"`); where ftrack does not accept that (the key is personal, the user is unknown or
not active), it is sent in the worker's own name, and the recorder's is put into the data of what has an attribute for it.
Rules: design section 4, "Who published, and when".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trackteroid.commits.batch import Payload
from trackteroid.commits.server import Server
from trackteroid.commits.together import Part
from trackteroid.errors import ServerCallError
from trackteroid.operations.operation import parse_key_text

__all__ = ["Senders", "in_whose_name", "refused_name", "stamped"]

#: So long the name of a user whom ftrack has refused is not tried again, seconds: every try costs a request.
REFUSED_SECONDS = 300.0


def in_whose_name(parts: Sequence[Part]) -> str | None:
    """Return the user in whose name the recordings `parts` shall be sent as one batch, None: in the worker's."""
    manifests = [part.recording.manifest for part in parts]
    names = {each.user if each is not None and each.commit_as == "recorder" else None for each in manifests}
    # One batch has one user; of two recorders neither would be right.
    return names.pop() if len(names) == 1 else None


def refused_name(error: ServerCallError) -> bool:
    """Whether ftrack has refused a batch because of the name (or key) under which it was sent."""
    return error.error_code == "api_credentials_invalid" or error.exception == "InvalidCredentialsError"


def stamped(
    batch: Sequence[Payload], parts: Sequence[Part], find_user: Callable[[str], str | None]
) -> tuple[list[Payload], list[str]]:
    """Return a batch whose creates name the recording user, where the recording could not; and what to note.

    Args:
        batch: What is to be sent in the worker's name.
        parts: The recordings it is made of.
        find_user: Returns the id of the user of a name, None if there is none.
    """
    wanted: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = {}
    for part in parts:
        manifest = part.recording.manifest
        if manifest is None or not manifest.user:
            continue
        for text, attribute in manifest.unstamped.items():
            identity = parse_key_text(text)
            if identity is not None:
                wanted[identity[0], tuple(identity[1])] = (attribute, manifest.user)
    if not wanted:
        return list(batch), []
    left: list[Payload] = []
    notes: dict[str, None] = {}
    for payload in batch:
        identity = (payload["entity_type"], tuple(map(str, payload["entity_key"])))
        if payload["action"] == "create" and identity in wanted:
            attribute, user = wanted[identity]
            user_id = find_user(user)
            if user_id is None:
                notes[f"The server knows no user {user}: what was created shows the workers' user."] = None
            elif attribute not in payload["entity_data"]:
                value = user_id if attribute.endswith("_id") else {"__entity_type__": "User", "id": user_id}
                payload = {**payload, "entity_data": {**payload["entity_data"], attribute: value}}
        left.append(payload)
    return left, list(notes)


class Senders:
    """What a worker process has learnt about users of one server.

    Args:
        monotonic: Clock.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._refused: dict[str, float] = {}
        self._ids: dict[str, str] = {}

    def may_try(self, user: str) -> bool:
        """Whether a user's name has not been refused lately."""
        return self._refused.get(user, float("-inf")) <= self._monotonic()

    def refuse(self, user: str) -> None:
        """A user's name was refused."""
        self._refused[user] = self._monotonic() + REFUSED_SECONDS

    def find(self, server: Server, user: str, *, timeout: float | None) -> str | None:
        """Return the id of the user of a name, None if the server knows none.

        Raises:
            ServerCallError: The server did not say.
        """
        if user not in self._ids:
            escaped = user.replace("\\", "\\\\").replace('"', '\\"')
            query = {"action": "query", "expression": f'select id from User where username is "{escaped}"'}
            rows: Sequence[Mapping[str, Any]] = server.exchange([query], timeout=timeout)[0]["data"]
            if not rows:
                return None
            self._ids[user] = str(rows[0]["id"])
        return self._ids[user]
