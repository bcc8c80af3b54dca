"""The same values with and without orjson."""

from __future__ import annotations

import datetime
import enum
import json
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackteroid import fast_json

texts = st.text() | st.text(st.characters(exclude_categories=()), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(values, st.booleans())
def test_every_value_survives_with_and_without_orjson(value: object, without: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if without:
            patch.setattr(fast_json, "orjson", None)
        text = fast_json.dumps(value)
        assert fast_json.loads(text) == value == json.loads(text)


@pytest.mark.parametrize("without", [False, True])
@pytest.mark.parametrize(
    "number", [2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**64 + 1, -(2**63), -(2**63) - 1, 10**19, 10**40 + 1, -(10**25) - 1]
)
def test_integers_beyond_64_bits_are_exact(number: int, without: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if without:
        monkeypatch.setattr(fast_json, "orjson", None)
    for text in (f'{{"size":{number}}}', f'{{"size":{number}}}'.encode()):
        size = fast_json.loads(text)["size"]
        assert (size, type(size)) == (number, int)


def test_texts_of_many_digits_stay_texts() -> None:
    assert fast_json.loads(b'["1234567890123456789012", 1.5, "\xc3\xa9"]') == ["1234567890123456789012", 1.5, "\u00e9"]


@pytest.mark.parametrize("text", [b"", b"{", b"<html>", b"\xff"])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        fast_json.loads(text)


def test_what_json_has_no_form_for_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        fast_json.dumps({"a": object()})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_has_no_form_for_are_refused_not_changed(number: float) -> None:
    with pytest.raises(ValueError):
        fast_json.dumps([number])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4),
    ),
    st.booleans(),
    st.booleans(),
)
def test_the_canonical_text_is_the_same_with_and_without_orjson(value: object, sort: bool, without: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if without:
            patch.setattr(fast_json, "orjson", None)
        text = fast_json.canonical(value, sort=sort)
    assert text == json.dumps(value, sort_keys=sort, separators=(",", ":"), ensure_ascii=True).encode()


@pytest.mark.parametrize(
    "number", [0.0, -0.0, 0.1, 1e15, 123456789012345.6, 1e16, 1.5e300, 0.0001, 0.00001, 5e-324, -1e-7, 24.0, 23.976]
)
def test_the_canonical_text_has_floats_as_the_standard_library_writes_them(number: float) -> None:
    assert fast_json.canonical([number]) == json.dumps([number]).encode()


class _Word(str):
    pass


@pytest.mark.parametrize("without", [False, True])
@pytest.mark.parametrize("write", [fast_json.dumps, fast_json.canonical])
@pytest.mark.parametrize(
    "value", [object(), uuid.UUID(int=1), enum.Enum("Colour", "RED").RED, datetime.date(2024, 1, 1), {1, 2}, b"x"]
)
def test_no_type_has_a_form_with_orjson_only(
    value: object, write: Callable[[object], bytes], without: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without:
        monkeypatch.setattr(fast_json, "orjson", None)
    with pytest.raises(TypeError):
        write({"a": [value]})


@pytest.mark.parametrize("write", [fast_json.dumps, fast_json.canonical])
@pytest.mark.parametrize("value", [{1: "a"}, {"a": (1, 2)}, _Word("a"), [[[]]], {"a": {}}, "a", 2**64, "\ud800", None])
def test_what_the_standard_library_writes_is_written_with_orjson_too(
    value: object, write: Callable[[object], bytes]
) -> None:
    assert write(value) == json.dumps(value, separators=(",", ":")).encode()


@pytest.mark.parametrize("write", [fast_json.dumps, fast_json.canonical])
def test_a_value_that_holds_itself_is_refused(write: Callable[[object], bytes]) -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError):
        write(value)


strictly = pytest.mark.parametrize("without", [False, True])


@strictly
@given(values, st.booleans(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_what_is_written_is_read_strictly_in_each_encoding(
    without: bool, value: object, ascii: bool, encoding: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if without:
            patch.setattr(fast_json, "orjson", None)
        assert fast_json.loads_strictly(json.dumps(value, ensure_ascii=ascii).encode(encoding)) == value


@strictly
@pytest.mark.parametrize(
    "text",
    [b"", b"NaN", b'{"a": [Infinity]}', b"-Infinity", b"1e400", b"[-1e999]", b"[1] 2", b"{'a': 1}", b"nul", b'"\x00"'],
)
def test_what_is_no_json_is_not_read_strictly(text: bytes, without: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if without:
        monkeypatch.setattr(fast_json, "orjson", None)
    with pytest.raises(ValueError):
        fast_json.loads_strictly(text)


@strictly
@pytest.mark.parametrize(
    "text, value",
    [(b'"\\ud800"', "\ud800"), (b'"\xed\xa0\x80"', "\ud800"), (b" [1] ", [1]), (b"1" * 30, int("1" * 30))],
)
def test_odd_texts_are_read_strictly_all_the_same(
    text: bytes, value: object, without: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without:
        monkeypatch.setattr(fast_json, "orjson", None)
    assert fast_json.loads_strictly(text) == value
