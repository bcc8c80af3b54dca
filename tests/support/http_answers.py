"""A server on a socket that answers as it is told, or misbehaves."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["answering", "answering_each", "response"]


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads one request and then does `answer` with the connection."""
    with answering_each(answer, heads=[]) as url:
        yield url


@contextmanager
def answering_each(*answers: Callable[[socket.socket], None], heads: list[bytes]) -> Iterator[str]:
    """A server that reads one request on each connection and then does the next answer; `heads` gets what they began with."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                received = b""
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65536)
                head, _, body = received.partition(b"\r\n\r\n")
                heads.append(head)
                lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
                # A GET has none.
                length = int(lengths[0].split()[1]) if lengths else 0
                while len(body) < length:
                    body += connection.recv(65536)
                answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join(5)
        listener.close()


def response(body: Any, status: int = 200, headers: str = "") -> Callable[[socket.socket], None]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    text = f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\nConnection: close\r\n{headers}\r\n"
    return lambda connection: connection.sendall(text.encode() + data)
