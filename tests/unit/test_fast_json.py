"""The same values with and without orjson."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackteroid import fast_json

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
