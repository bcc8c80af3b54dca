"""One Redis under many addresses."""

from __future__ import annotations

import pytest

from tests.support.redis import fake_redis
from trackteroid.commits.addresses import known_addresses, normal_address, note_address


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("redis://Redis.Studio.example", "redis://redis.studio.example:6379/0"),
        ("redis://redis.studio.example.:6379/", "redis://redis.studio.example:6379/0"),
        ("redis://user:secret@h:7000/3", "redis://h:7000/3"),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h:6379/0"),
        ("redis://h?db=2", "redis://h:6379/2"),
        ("redis://[2001:DB8::1]:6380/1", "redis://[2001:db8::1]:6380/1"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("unix://:secret@/run/redis.sock", "unix:///run/redis.sock?db=0"),
    ],
)
def test_an_address_has_one_spelling_without_secrets(url: str, normal: str) -> None:
    assert normal_address(url) == normal == normal_address(normal)


def test_whoever_reaches_it_leaves_the_address_but_none_that_means_something_else_elsewhere() -> None:
    client = fake_redis()
    for url in ("redis://redis/0", "redis://:secret@redis", "redis://10.0.0.7:6379/0"):
        note_address(client, url)
    for url in ("redis://localhost", "redis://127.0.0.1:6379/0", "redis://[::1]/0", "unix:///run/redis.sock"):
        note_address(client, url)
    assert known_addresses(client, "redis://redis") == {"redis://redis:6379/0", "redis://10.0.0.7:6379/0"}


def test_very_many_addresses_do_not_pile_up() -> None:
    client = fake_redis()
    for number in range(1010):
        note_address(client, f"redis://host{number}", now=float(number))
    known = known_addresses(client, "redis://host")
    assert len(known) == 1000
    assert "redis://host9:6379/0" not in known
