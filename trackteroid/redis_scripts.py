"""Lua scripts in Redis, whose answers need not be waited for at once.

redis-py's own way to run one waits for the answer, and takes twice as much of the processor's time: what it measures, repeats and
announces for each command is of no use here, where nothing is repeated and everything is a script.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import redis

__all__ = ["RedisScript", "RunningScript"]


class RedisScript:
    """A script that Redis keeps by its digest; one that has lost it is given it again.

    Args:
        client: Of a single instance or through Sentinel, without retries (see `client_of`).
        text: Lua.
    """

    def __init__(self, client: redis.Redis, text: str) -> None:
        self._client = client
        self.text = text
        # What EVALSHA asks for: https://redis.io/docs/latest/commands/script-load/
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(
        self, keys: Sequence[str], arguments: Sequence[str | bytes | float], client: redis.Redis | None = None
    ) -> Any:
        """Run it and return its answer, texts as bytes.

        Args:
            keys: `KEYS` of the script.
            arguments: `ARGV` of the script.
            client: Another client of the same Redis, with time-outs of its own.

        Raises:
            redis.RedisError, OSError: As of redis-py's commands.
        """
        return self.start(keys, arguments, client).result()

    def start(
        self, keys: Sequence[str], arguments: Sequence[str | bytes | float], client: redis.Redis | None = None
    ) -> RunningScript:
        """Ask Redis to run it, without waiting for that. Arguments and errors: as of a call."""
        return RunningScript(self, client or self._client, (len(keys), *keys, *arguments))


class RunningScript:
    """A script that Redis was asked to run: it has one connection for itself until its answer is fetched or given up."""

    def __init__(self, script: RedisScript, client: redis.Redis, words: tuple[str | bytes | float, ...]) -> None:
        self._script = script
        self._client = client
        self._words = words
        self._connection = self._send()

    def _send(self) -> Any:
        pool = self._client.connection_pool
        connection: Any = pool.get_connection()
        try:
            connection.send_command("EVALSHA", self._script.sha, *self._words)
        except BaseException:
            connection.disconnect()
            pool.release(connection)
            raise
        return connection

    def result(self) -> Any:
        """Wait for the answer and return it; to be called once.

        Raises:
            redis.RedisError, OSError: As of redis-py's commands. After a time-out the script may still be run.
        """
        try:
            return self._receive()
        except redis.exceptions.NoScriptError:
            # Nothing was done.
            self._client.script_load(self._script.text)
            self._connection = self._send()
            return self._receive()

    def give_up(self) -> None:
        """Do without the answer, where `result` was not called. The script may be run all the same."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._client.connection_pool.release(connection)

    def _receive(self) -> Any:
        connection, self._connection = self._connection, None
        try:
            return connection.read_response()
        except redis.exceptions.ResponseError:
            # An answer as good as any.
            raise
        except BaseException:
            # Not every kind of connection closes itself where it has not read a whole answer, and the next one must not read it.
            connection.disconnect()
            raise
        finally:
            self._client.connection_pool.release(connection)
