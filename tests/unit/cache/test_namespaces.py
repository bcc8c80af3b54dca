"""Who shares with whom."""

from __future__ import annotations

from trackteroid.cache.namespaces import named_namespace, namespace_of


def test_sessions_share_only_if_user_key_and_schema_are_the_same() -> None:
    """A key may be allowed less than its user."""
    one = {"api_user": "a", "api_key": "1", "schema_hash": "s", "name": None}
    namespaces = {
        namespace_of(**{**one, **change})  # type: ignore[arg-type]
        for change in ({}, {}, {"api_user": "b"}, {"api_key": "2"}, {"schema_hash": "t"})
    }
    assert len(namespaces) == 4


def test_a_name_shares_on_purpose() -> None:
    one = namespace_of(api_user="a", api_key="1", schema_hash="s", name="x")
    assert one == namespace_of(api_user="b", api_key="2", schema_hash="t", name="x") == named_namespace("x")
    assert one != named_namespace("y")


def test_the_key_cannot_be_read_from_the_namespace() -> None:
    assert "secret" not in namespace_of(api_user="a", api_key="secret", schema_hash="s", name=None)
