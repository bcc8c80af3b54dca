"""URLs that need no credentials."""

from __future__ import annotations

import base64

import pytest

from tests.support.clock import FakeClock
from trackteroid.sandbox.file_links import FileLinks


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def links(clock: FakeClock) -> FileLinks:
    return FileLinks("http://sandbox", b"secret", clock)


def token(url: str) -> str:
    return url.rsplit("/", 1)[1]


def test_a_link_says_what_it_is_for(links: FileLinks) -> None:
    url = links.upload("ä/b", upload_id="u", part=3)
    assert url.startswith("http://sandbox/upload/")
    link = links.read(token(url), "put")
    assert link is not None and (link.component_id, link.upload_id, link.part) == ("ä/b", "u", 3)
    whole = links.read(token(links.upload("c")), "put")
    assert whole is not None and whole.upload_id is None


def test_a_link_for_reading_is_not_good_for_writing(links: FileLinks) -> None:
    assert links.read(token(links.download("c")), "get") is not None
    assert links.read(token(links.download("c")), "put") is None
    assert links.read(token(links.upload("c")), "get") is None


def test_links_die_after_a_day(links: FileLinks, clock: FakeClock) -> None:
    made = token(links.download("c"))
    clock.advance(24 * 3600 - 1)
    assert links.read(made, "get") is not None
    clock.advance(1)
    assert links.read(made, "get") is None


@pytest.mark.parametrize("text", ["", "!", "ä", "AAAA", base64.urlsafe_b64encode(b"x" * 40).decode()])
def test_rubbish_is_no_link(links: FileLinks, text: str) -> None:
    assert links.read(text, "put") is None


def test_a_changed_link_and_one_of_another_server_are_none(links: FileLinks, clock: FakeClock) -> None:
    raw = bytearray(base64.urlsafe_b64decode(token(links.upload("component"))))
    raw[raw.index(b"component")] ^= 1
    assert links.read(base64.urlsafe_b64encode(bytes(raw)).decode(), "put") is None
    assert links.read(token(FileLinks("http://sandbox", b"other", clock).upload("c")), "put") is None
