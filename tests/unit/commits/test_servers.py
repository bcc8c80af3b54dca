from __future__ import annotations

import pytest

from trackteroid.commits.servers import normalise_server_url
from trackteroid.errors import BadInputError, SettingsError


@pytest.mark.parametrize(
    ("given", "normalised"),
    [
        ("https://Studio.FtrackApp.com/", "https://studio.ftrackapp.com"),
        ("https://studio.ftrackapp.com:443/api", "https://studio.ftrackapp.com"),
        ("studio", "https://studio.ftrackapp.com"),
        ("studio.ftrackapp.com", "https://studio.ftrackapp.com"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://ftrack:80", "http://ftrack"),
        ("https://user:secret@ftrack.local/x?y=1", "https://ftrack.local"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_every_spelling_of_a_server_gives_one_name(given: str, normalised: str) -> None:
    assert normalise_server_url(given) == normalised
    assert normalise_server_url(normalised) == normalised


def test_aliases_name_one_server() -> None:
    aliases = ("ftrack.internal=https://studio.ftrackapp.com",)
    assert normalise_server_url("https://FTRACK.internal/", aliases) == "https://studio.ftrackapp.com"
    assert normalise_server_url("https://other.example", aliases) == "https://other.example"


@pytest.mark.parametrize(
    ("given", "message"),
    [("", "set FTRACK_SERVER"), ("ftp://x", "expected http"), ("https://", "host name"), ("http://x:99999", "Port")],
)
def test_what_is_no_server_is_refused(given: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        normalise_server_url(given)


def test_a_bad_alias_is_named() -> None:
    with pytest.raises(SettingsError, match="TRACKTEROID_SERVER_ALIASES has 'nonsense'"):
        normalise_server_url("https://x.example", ("nonsense",))
