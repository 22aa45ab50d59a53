"""What a step of a whole job is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.report import timing
from suite.run.record import Rank, Steps, Telemetry
from tests.report import worlds


def spans(*ranks: list[float], starts: list[float] | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ranks that go on without pause, each with its step times."""
    found = []
    for number, seconds in enumerate(ranks):
        ended = np.cumsum(seconds) + (starts[number] if starts else 0.0)
        found.append((ended - np.asarray(seconds), ended))
    return found


def rank(number: int, seconds: list[float], *, started: list[float] | None = None, **telemetry: int) -> Rank:
    began = started or (np.cumsum(seconds) - seconds).tolist()
    steps = Steps(started=tuple(began), seconds=tuple(seconds), loss=(1.0,) * len(seconds))
    return Rank(rank=number, host="h", process=1, steps=steps, telemetry=Telemetry(**telemetry) if telemetry else None)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.lists(st.floats(0.05, 2.0), min_size=1, max_size=20))
def test_in_step_it_is_the_slowest_ranks_step(workers: int, steps: list[float]) -> None:
    """Everyone waits for the slowest: the ends of all ranks are equal, and so are their steps."""
    found = timing.job_steps(spans(*[steps] * workers))
    assert found == pytest.approx(steps)


def test_ranks_that_end_a_little_apart_count_whole_steps() -> None:
    found = timing.job_steps(spans([1.0, 1.0, 1.0], [1.001, 1.0, 1.0]))
    assert found == pytest.approx([1.001, 1.0, 1.0])


def test_a_slow_rank_that_nobody_waits_for_is_neither_ignored_nor_taken_for_the_job() -> None:
    """Three ranks at 0.1 s and one at 0.4 s do 32.5 steps a second, 4 of which are a step of the job."""
    found = timing.job_steps(spans(*[[0.1] * 400] * 3, [0.4] * 400))
    assert np.mean(found) == pytest.approx(4 / 32.5, rel=0.01)


def test_counting_ends_with_the_first_rank_that_has_nothing_left() -> None:
    found = timing.job_steps(spans([0.1] * 10, [0.1] * 40))
    assert sum(found) == pytest.approx(1.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(0.05, 1.0), min_size=8, max_size=8), min_size=1, max_size=4))
def test_the_steps_of_a_job_never_last_longer_than_its_ranks(ranks: list[list[float]]) -> None:
    found = timing.job_steps(spans(*ranks))
    assert (found > 0).all()
    assert sum(found) <= max(sum(one) for one in ranks) + 1e-9


def test_evaluations_are_cut_out_of_the_time() -> None:
    seconds = [1.0] * 4
    pausing = rank(0, seconds, started=[5.0, 6.0, 17.0, 18.0])  # ten seconds of evaluation after the second step
    assert timing.job_steps([timing.spans(pausing, evaluated=True)]) == pytest.approx(seconds)
    waiting = timing.job_steps([timing.spans(pausing, evaluated=False)])
    assert max(waiting) == pytest.approx(11.0)  # waiting for data does count


def test_clocks_that_nobody_set_together_fall_back_on_durations() -> None:
    alone = rank(0, [1.0, 2.0], started=[float("nan"), float("nan")])
    assert timing.job_steps([timing.spans(alone, evaluated=False)]) == pytest.approx([1.0, 2.0])


def test_dropped_work_makes_useful_steps_longer() -> None:
    ranks = [rank(0, [1.0], contributions_used=30), rank(1, [1.0], contributions_dropped=10)]
    assert timing.useful_share(ranks) == pytest.approx(0.75)
    assert timing.Timing((3.0,), 0, 0.75).seconds_per_useful_step == pytest.approx((4.0,))
    assert timing.useful_share([rank(0, [1.0])]) == 1.0
    ranks = [rank(0, [1.0], contributions_used=6), rank(1, [1.0], contributions_dropped=1, contributions_given_up=1)]
    assert timing.useful_share(ranks) == pytest.approx(0.75), "a step that was left is a step of which nothing came"


def test_parts_add_up_and_unknown_ones_are_not_zero() -> None:
    record = worlds.quick("framework=torch", "model=AlexNet", "algorithm=synchronous")[0]
    found = timing.parts(record)
    assert found is not None
    assert found.vote is None
    known = [found.compute, found.injected, found.exposed, found.wait, found.update]
    assert sum(value for value in known if value is not None) + found.other == pytest.approx(found.seconds)


def test_a_run_that_failed_has_no_times() -> None:
    from suite.run.record import Reason
    from tests.report import scripted

    failed = worlds.quick(world=scripted.failing(Reason.KILLED))
    assert all(timing.timing(record) is None for record in failed)
