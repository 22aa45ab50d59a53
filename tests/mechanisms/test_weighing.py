"""Samples counted in units that all ranks agree upon."""

from __future__ import annotations

import pytest

from algorithms.mechanisms.weighing import Heard, Weighing, about


@pytest.mark.parametrize(
    ("mean", "unit"), [(0.0, 1.0), (0.3, 0.5), (1.0, 2.0), (1.5, 2.0), (100.0, 128.0), (4e9, 2.0**32)]
)
def test_a_unit_is_a_power_of_two_not_below_the_mean(mean: float, unit: float) -> None:
    assert about(mean) == unit


def test_ranks_ask_once_and_then_go_by_what_all_have_heard() -> None:
    asked: list[float] = []

    def ask(weight: float) -> float:
        asked.append(weight)
        return 10.0

    weighing = Weighing(ask, for_good=False)
    assert weighing.unit(3.0) == 16.0
    assert weighing.unit(500.0) == 16.0, "a step that has not been answered counts as the one before"
    weighing.last = Heard(300.0)
    assert weighing.unit(1.0) == 512.0
    assert asked == [3.0]


def test_what_a_format_remembers_is_counted_alike_for_good() -> None:
    weighing = Weighing(lambda weight: 10.0, for_good=True)
    assert weighing.unit(3.0) == 16.0
    weighing.last = Heard(300.0)
    assert weighing.unit(3.0) == 16.0


def test_a_rank_that_leaves_is_waited_for_only_before_the_first_step() -> None:
    weighing = Weighing(lambda weight: 10.0, for_good=False)
    assert weighing.leaves()
    assert not weighing.leaves()
    assert weighing.unit(3.0) == 1.0, "and asks nobody"
