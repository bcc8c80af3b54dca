"""What a Redis URL means, and that nothing secret in it is shown."""

from __future__ import annotations

import pytest

from tests.support.processes import run_python
from trackteroid.commits.addresses import normal_address, note_address
from trackteroid.errors import SettingsError
from trackteroid.redis_urls import (
    SentinelAddress,
    broker_of,
    check_redis_url,
    client_of,
    sentinel_of,
    without_password,
)
from trackteroid.settings import Settings

FULL = (
    "sentinel://red%3Ais:p%40ss@s1:26380,[2001:DB8::1],S2/3?master=led%20ger&sentinel_username=watch"
    "&sentinel_password=s3cret"
)


def test_a_sentinel_url_says_everything() -> None:
    assert sentinel_of(FULL) == SentinelAddress(
        hosts=(("s1", 26380), ("2001:db8::1", 26379), ("s2", 26379)),
        master="led ger",
        database=3,
        username="red:is",
        password="p@ss",
        sentinel_username="watch",
        sentinel_password="s3cret",
    )
    assert sentinel_of("sentinel://h?master=m") == SentinelAddress(hosts=(("h", 26379),), master="m")
    assert sentinel_of("sentinel://:pw@h/?master=m") == SentinelAddress(
        hosts=(("h", 26379),), master="m", password="pw"
    )
    assert sentinel_of("redis://h") is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sentinel://h:26379/0", "must name the primary"),
        ("sentinel:///0?master=m", "must name the sentinels"),
        ("sentinel://h,,i/0?master=m", "must name the sentinels"),
        ("sentinel://h:port/0?master=m", "'h:port'"),
        ("sentinel://h/one?master=m", "number of a database"),
        ("sentinel://h?master=m&tls=1", "not tls"),
    ],
)
def test_a_sentinel_url_that_cannot_be_used_says_why(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_redis_url(url)
    with pytest.raises(SettingsError, match=why):
        Settings.from_environment({"TRACKTEROID_REDIS_URL": url})
    for use in (lambda: client_of(url, timeout=1.0), lambda: broker_of(url)):
        with pytest.raises(SettingsError, match=f"is not a Redis URL: .*{why}"):
            use()


def test_nothing_secret_is_shown() -> None:
    for url in (FULL, FULL.replace("master=", "boss=")):
        with pytest.raises(SettingsError) as caught:
            Settings.from_environment({"TRACKTEROID_REDIS_URL": url.replace("/3", "/three")})
        for text in (without_password(url), normal_address(FULL), str(caught.value)):
            assert "s3cret" not in text and "ss@" not in text and "p%40" not in text
    assert without_password("redis://user:pw@h/0") == "redis://h/0"


def test_one_sentinel_address_has_one_spelling() -> None:
    spelling = "sentinel://a.example:26379,b:26380/0?master=m"
    for url in ("sentinel://:x@b:26380,A.example/?master=m", spelling):
        assert normal_address(url) == without_password(url) == spelling
    assert normal_address("sentinel://b/0?master=other") != normal_address("sentinel://b/0?master=m")


def test_sentinels_of_this_machine_are_no_address_for_others() -> None:
    class Nobody:
        def pipeline(self, **_: object) -> None:
            raise AssertionError("was asked to keep an address that means another machine everywhere else")

    note_address(Nobody(), "sentinel://127.0.0.1:26379,s2/0?master=m")  # type: ignore[arg-type]


def test_celery_gets_it_in_its_own_form() -> None:
    url, options = broker_of(FULL)
    assert url == (
        "sentinel://red%3Ais:p%40ss@s1:26380/3;sentinel://red%3Ais:p%40ss@[2001:db8::1]:26379/3"
        ";sentinel://red%3Ais:p%40ss@s2:26379/3"
    )
    assert options["master_name"] == "led ger"
    assert (options["sentinel_kwargs"]["username"], options["sentinel_kwargs"]["password"]) == ("watch", "s3cret")
    # One that is away is asked once.
    assert options["sentinel_kwargs"]["retry"].get_retries() == 0
    assert broker_of("redis://:pw@h/2") == ("redis://:pw@h/2", {})


def test_the_client_of_a_plain_url_tries_once_and_not_for_long() -> None:
    client = client_of("redis://h:7000/2", timeout=0.5)
    known = client.connection_pool.connection_kwargs
    assert (known["host"], known["port"], known["db"], known["socket_timeout"]) == ("h", 7000, 2, 0.5)
    assert known["retry"].get_retries() == 0


def test_reading_a_url_loads_no_redis() -> None:
    done = run_python(
        "import sys; from trackteroid.redis_urls import *\n"
        "broker_of(check_redis_url('redis://h/0')); without_password('sentinel://h/0?master=m'); print('redis' in sys.modules)",
        env={},
    )
    assert done.stdout.strip() == "False"
