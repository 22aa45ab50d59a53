"""Columns written place by place come back bit for bit, and those that would not are left as they are."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.record.digits import by_place, by_step

NUMBERS = st.one_of(
    st.integers(0, 10**9).map(lambda ticks: ticks / 10**7),
    st.floats(),  # also below zero, far past what fits, with digits that no rank writes, and none at all
    st.integers(-3, 10**6),
    st.none(),
)


def same(one: Any, other: Any) -> bool:
    """Also the sign of zero, and whether it is whole; what is no number equals itself."""
    if isinstance(one, float) and isinstance(other, float):
        return math.copysign(1, one) == math.copysign(1, other) and (one == other or (one != one and other != other))
    return type(one) is type(other) and bool(one == other)


@given(st.lists(NUMBERS, max_size=60))
def test_any_column_comes_back(values: list[Any]) -> None:
    written = json.dumps(by_place({"loss": values}))
    (found,) = by_step(json.loads(written)).values()
    assert len(found) == len(values)
    assert all(map(same, found, values))


@given(st.lists(st.integers(0, 10**14).map(lambda ticks: ticks / 10**7), min_size=20, max_size=60, unique=True))
def test_times_are_written_place_by_place(values: list[float]) -> None:
    (written,) = by_place({"seconds": values}).values()
    assert written["of"].isdigit()
    assert by_step({"seconds": written}) == {"seconds": values}


def test_the_first_digits_come_first() -> None:
    values = [1 + step / 10 for step in range(20)]
    assert by_place({"started": values})["started"]["of"].startswith("1" * 10 + "2" * 10 + "0123456789" * 2 + "0" * 120)


@pytest.mark.parametrize(
    "values",
    [None, [], [0.5] * 100, [0.25, 1.5], [-(step / 2) for step in range(40)], [1 / (3 + step) for step in range(40)]],
    ids=["unknown", "none", "always the same", "few", "below zero", "more digits than ranks write"],
)
def test_what_it_does_not_pay_for_stays(values: list[float] | None) -> None:
    assert by_place({"wait": values}) == {"wait": values}
