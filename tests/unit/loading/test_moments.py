"""Date-times as the client reads them."""

from __future__ import annotations

from typing import Any

import arrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackteroid.loading.moments import moment


@settings(max_examples=200, deadline=None)
@given(st.datetimes())
def test_any_moment_is_what_arrow_makes_of_it(value: Any) -> None:
    for text in (value.isoformat(), value.replace(microsecond=0).isoformat(), value.date().isoformat()):
        assert moment(text) == arrow.get(text)
        assert repr(moment(text)) == repr(arrow.get(text))
        assert type(moment(text).tzinfo) is type(arrow.get(text).tzinfo)


@pytest.mark.parametrize(
    "text", ["2024-02-30T10:00:00", "2024-03-01T24:00:00", "2024-13-01T10:00:00", "2024-W01-1T10:00:00", "", "nonsense"]
)
def test_odd_texts_give_what_arrow_gives_or_its_error(text: str) -> None:
    outcomes = []
    for read in (arrow.get, moment):
        try:
            outcomes.append(repr(read(text)))
        except Exception as error:
            outcomes.append(f"{type(error).__name__}: {error}")
    assert outcomes[0] == outcomes[1]


def test_numbers_are_seconds_since_1970() -> None:
    assert moment(1.0) == moment(1) == arrow.get(1.0)
