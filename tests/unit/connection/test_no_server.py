"""What people read when there is no server where they look for it: which one, why, and what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
import requests.exceptions
import urllib3.exceptions

from trackteroid.connection.exchange import no_answer
from trackteroid.session import Session


@pytest.fixture
def nowhere() -> str:
    """The URL of a port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_connecting_says_where_and_what_to_look_at(nowhere: str) -> None:
    with pytest.raises(requests.exceptions.ConnectionError) as raised:
        Session(server_url=nowhere, api_key="key", api_user="user")
    text = str(raised.value)
    assert text.startswith(f"No answer from the ftrack server {nowhere}: ") and "FTRACK_SERVER" in text
    assert "refused" in text and "object at" not in text and "Max retries" not in text


def test_what_is_no_url_is_said_too() -> None:
    with pytest.raises(requests.exceptions.MissingSchema, match=r"ftrack server studio\.example: .*FTRACK_SERVER"):
        Session(server_url="studio.example", api_key="key", api_user="user")


def test_an_object_type_cannot_be_imported_without_the_server_and_the_text_says_why(nowhere: str) -> None:
    script = (
        "try:\n"
        "    from trackteroid import VehicleRig\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "FTRACK_API_KEY": "key", "FTRACK_API_USER": "user"}
    for server, expected in ((nowhere, f"No answer from the ftrack server {nowhere}"), (None, "FTRACK_SERVER")):
        environment.pop("FTRACK_SERVER", None)
        if server:
            environment["FTRACK_SERVER"] = server
        said = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert said.stdout.startswith("ObjectTypesError trackteroid itself has no 'VehicleRig'"), said
        assert expected in said.stdout


class OfAPlugin(requests.exceptions.ConnectionError):
    def __init__(self, code: int) -> None:
        super().__init__(code)


def test_errors_keep_their_class_and_what_they_know() -> None:
    request = requests.PreparedRequest()
    reason = urllib3.exceptions.ReadTimeoutError(None, "/api", "Read timed out. (read timeout=5)")  # type: ignore[arg-type]
    said = no_answer(requests.exceptions.ReadTimeout(reason, request=request), "http://studio")
    assert type(said) is requests.exceptions.ReadTimeout and said.request is request
    assert "http://studio" in str(said) and "Read timed out" in str(said)
    own = OfAPlugin(7)
    assert no_answer(own, "http://studio") is own
