"""Targets: the first evaluation that reaches each, and those that none did."""

import pytest

from suite.training.targets import Point, all_reached, outcomes

RUN = [
    Point(step=10, samples=100, seconds=1.0, accuracy=0.5),
    Point(step=20, samples=200, seconds=2.5, accuracy=0.9),
    Point(step=30, samples=300, seconds=4.0, accuracy=0.8),
]


def test_each_target_is_reached_at_the_first_point_at_or_above_it() -> None:
    half, most, never = outcomes(RUN, (0.5, 0.85, 0.95))
    assert half.at == RUN[0] and most.at == RUN[1]
    assert never.at is None and not never.reached
    assert str(most) == "85.0% reached at step 20, 200 samples, 2.5 s"
    assert str(never) == "95.0% never reached"


def test_a_run_may_stop_when_all_are_reached_and_not_for_lack_of_targets() -> None:
    assert all_reached(RUN, (0.5, 0.9))
    assert not all_reached(RUN, (0.5, 0.95))
    assert not all_reached(RUN, ())


@pytest.mark.parametrize("targets", [(0.0,), (1.2,), (0.9, 0.5), (0.5, 0.5), (float("nan"),)])
def test_bad_targets_are_refused(targets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="target"):
        outcomes(RUN, targets)
