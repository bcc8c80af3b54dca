"""User names and API keys: whose, which kind, until when (specification 1.5)."""

from __future__ import annotations

import pytest

from tests.support.clock import FakeClock
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.credentials import add_key, authenticate, list_keys, replace_keys
from trackteroid.sandbox.errors import InvalidCredentialsError
from trackteroid.sandbox.seeds import API_KEY, API_USER, GLOBAL_KEY
from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.values import stored_time


def who(api: Api, username: str | None, api_key: str | None) -> str:
    """The answer's user, of the smallest request there is."""
    operation = {"action": "query_server_information", "values": ["user_information"]}
    (answer,) = api.handle([operation], username=username, api_key=api_key)
    name: str = answer["user_information"]["username"]
    return name


@pytest.mark.parametrize(
    ("username", "api_key"),
    [(API_USER, API_KEY), ("anna", "anna-key"), ("anna", GLOBAL_KEY), ("ben", GLOBAL_KEY), (API_USER, GLOBAL_KEY)],
)
def test_a_personal_key_is_good_for_its_user_and_a_global_one_for_all(api: Api, username: str, api_key: str) -> None:
    assert who(api, username, api_key) == username


@pytest.mark.parametrize(
    ("username", "api_key"),
    [
        ("anna", "ben-key"),
        ("anna", ""),
        ("anna", None),
        (None, "anna-key"),
        ("nobody", GLOBAL_KEY),
        ("cleo", "cleo-key"),
        ("cleo", GLOBAL_KEY),
        ("anna", "anna-old-key"),
        ("ben", "ben-lost-key"),
        ("Compositing", GLOBAL_KEY),
    ],
    ids=[
        "somebody else's key",
        "empty key",
        "no key",
        "no user",
        "unknown user",
        "inactive user",
        "inactive user, global key",
        "expired",
        "disabled",
        "a group",
    ],
)
def test_everybody_else_is_refused_in_the_same_words(api: Api, username: str | None, api_key: str | None) -> None:
    with pytest.raises(InvalidCredentialsError) as caught:
        who(api, username, api_key)
    assert caught.value.as_object() == {
        "exception": "InvalidCredentialsError",
        "content": "The supplied API key or user name is not valid.",
        "error_code": "api_credentials_invalid",
    }


def test_a_key_is_good_until_the_moment_it_expires(api: Api, demo_storage: tuple[Storage, FakeClock]) -> None:
    storage, clock = demo_storage
    (anna,) = storage.column('SELECT "id" FROM "Resource" WHERE "username" = \'anna\'')
    add_key(storage, "soon", anna, expires_at=stored_time(clock() + 60))
    assert authenticate(storage, "anna", "soon").user_id == anna
    clock.advance(59)
    assert authenticate(storage, "anna", "soon").user_id == anna
    clock.advance(1)
    with pytest.raises(InvalidCredentialsError):
        authenticate(storage, "anna", "soon")


def test_a_global_key_can_be_disabled_and_enabled_again(api: Api) -> None:
    add_key(api.storage, GLOBAL_KEY, None, is_enabled=False)
    with pytest.raises(InvalidCredentialsError):
        who(api, "anna", GLOBAL_KEY)
    assert who(api, "anna", "anna-key") == "anna"
    add_key(api.storage, GLOBAL_KEY, None)
    assert who(api, "anna", GLOBAL_KEY) == "anna"


def test_a_new_key_replaces_all_of_a_user(api: Api) -> None:
    (anna,) = api.storage.column('SELECT "id" FROM "Resource" WHERE "username" = \'anna\'')
    add_key(api.storage, "second", anna)
    replace_keys(api.storage, "third", anna)
    assert who(api, "anna", "third") == "anna"
    for old in ("anna-key", "second"):
        with pytest.raises(InvalidCredentialsError):
            who(api, "anna", old)


def test_a_user_who_is_switched_off_is_refused_from_the_next_request_on(api: Api) -> None:
    (anna,) = api.storage.column('SELECT "id" FROM "Resource" WHERE "username" = \'anna\'')
    switch_off = {
        "action": "update",
        "entity_type": "User",
        "entity_key": [anna],
        "entity_data": {"is_active": False},
    }
    api.handle([switch_off], username=API_USER, api_key=API_KEY)
    with pytest.raises(InvalidCredentialsError):
        who(api, "anna", "anna-key")


def test_the_keys_of_a_user_go_with_the_user(api: Api) -> None:
    (anna,) = api.storage.column('SELECT "id" FROM "Resource" WHERE "username" = \'anna\'')
    gone = {"action": "delete", "entity_type": "User", "entity_key": [anna]}
    api.handle([gone], username=API_USER, api_key=API_KEY)
    # A key without a user would be told as a global one.
    assert [each["key"] for each in list_keys(api.storage) if each["user"] is None] == [GLOBAL_KEY]
    assert "ben-key" in [each["key"] for each in list_keys(api.storage)]
