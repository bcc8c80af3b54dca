"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from trackteroid.commits.conflicts import CHOICES
from trackteroid.errors import SettingsError
from trackteroid.settings import Settings, variables


def test_defaults_need_no_environment() -> None:
    settings = Settings.from_environment({})
    assert settings.lease_seconds == 60
    assert settings.effective_query_cache_url == settings.redis_url


def test_variables_replace_defaults_and_empty_ones_do_not() -> None:
    settings = Settings.from_environment(
        {
            "TRACKTEROID_LEASE_SECONDS": "2.5",
            "TRACKTEROID_QUERY_CACHE_URL": "redis://cache/1",
            "TRACKTEROID_WORKER_SWEEP": "no",
            "TRACKTEROID_SERVER_ALIASES": "http://a=http://b, http://c=http://d",
            "TRACKTEROID_MAX_CLAIMS": "",
        }
    )
    assert settings.lease_seconds == 2.5
    assert settings.effective_query_cache_url == "redis://cache/1"
    assert settings.worker_sweep is False
    assert settings.server_aliases == ("http://a=http://b", "http://c=http://d")
    assert settings.max_claims == Settings().max_claims


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRACKTEROID_LEASE_SECONDS", "soon"),
        ("TRACKTEROID_LEASE_SECONDS", "0"),
        ("TRACKTEROID_MAX_CLAIMS", "1.5"),
        ("TRACKTEROID_MAX_CLAIMS", "-1"),
        ("TRACKTEROID_WORKER_SWEEP", "maybe"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}='{value}'"):
        Settings.from_environment({variable: value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRACKTEROID_CONFLICT_POLICY", "statu=bogus"),
        ("TRACKTEROID_CONFLICT_POLICY", "status=skip,status"),
        ("TRACKTEROID_CONFLICT_POLICY", "=skip"),
        ("TRACKTEROID_SERVER_ALIASES", "https://a.example"),
        ("TRACKTEROID_SERVER_ALIASES", "https://a.example="),
    ],
)
def test_lists_of_pairs_are_checked_when_they_are_read_and_not_when_they_are_used(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}='{value}' cannot be used: each entry must read"):
        Settings.from_environment({variable: value})


@pytest.mark.parametrize("value", ["relative/spool", "~/spool", "./spool"])
def test_the_spool_does_not_depend_on_the_working_directory(value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"TRACKTEROID_SPOOL='{value}' cannot be used: must be an absolute path"):
        Settings.from_environment({"TRACKTEROID_SPOOL": value})
    assert Settings.from_environment({"TRACKTEROID_SPOOL": str(tmp_path)}).spool_folder == str(tmp_path)


def test_every_choice_for_conflicts_can_be_set() -> None:
    words = tuple(f"Task.bid={choice}" for choice in CHOICES)
    assert Settings.from_environment({"TRACKTEROID_CONFLICT_POLICY": ", ".join(words)}).conflict_policy == words


def test_no_variable_is_read_twice() -> None:
    names = [name for name, _, _ in variables()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("url", ["cachehost:6379", "http://cache", "redis://", "redis://[::1", "redis://host:99999999"])
@pytest.mark.parametrize("variable", ["TRACKTEROID_REDIS_URL", "TRACKTEROID_QUERY_CACHE_URL"])
def test_a_redis_url_that_cannot_be_used_is_named(variable: str, url: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment({variable: url})


def test_an_error_never_shows_a_password() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"TRACKTEROID_REDIS_URL": "http://user:secret@host/0"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_duration_is_a_finite_number(number: str) -> None:
    with pytest.raises(SettingsError):
        Settings.from_environment({"TRACKTEROID_LEASE_SECONDS": number})
