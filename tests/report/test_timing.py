"""How fast a whole job is: work over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.record.rank import Rank, Steps, Telemetry
from suite.record.schema import Facts
from suite.report import timing
from suite.statistics import Series
from tests.report import scripted, worlds


def job(*ranks: list[float], starts: list[float] | None = None, rhythm: int = 1) -> timing.Counted:
    """Ranks that go on without pause, each with its step times."""
    found = timing.counted(
        [
            np.concatenate([[0.0], np.cumsum(seconds)]) + (starts[number] if starts else 0.0)
            for number, seconds in enumerate(ranks)
        ],
        rhythm,
    )
    assert found is not None
    return found


def steps_of(*ranks: list[float], starts: list[float] | None = None, rhythm: int = 1) -> tuple[float, ...]:
    return timing.job_steps(job(*ranks, starts=starts, rhythm=rhythm))


def rank(number: int, seconds: list[float], *, started: list[float] | None = None, **telemetry: int) -> Rank:
    began = started or (np.cumsum(seconds) - seconds).tolist()
    steps = Steps(started=tuple(began), seconds=tuple(seconds), loss=(1.0,) * len(seconds))
    return Rank(rank=number, host="h", process=1, steps=steps, telemetry=Telemetry(**telemetry) if telemetry else None)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.lists(st.floats(0.05, 2.0), min_size=1, max_size=20))
def test_in_step_it_is_the_slowest_ranks_step(workers: int, steps: list[float]) -> None:
    """Everyone waits for the slowest: the ends of all ranks are equal, and so are their steps."""
    assert steps_of(*[steps] * workers) == pytest.approx(steps)


def test_ranks_that_end_a_little_apart_count_whole_steps() -> None:
    assert steps_of([1.0, 1.0, 1.0], [1.001, 1.0, 1.0]) == pytest.approx([1.0, 1.0, 1.0], rel=2e-3)


def test_a_slow_rank_that_nobody_waits_for_is_neither_ignored_nor_taken_for_the_job() -> None:
    """Three ranks at 0.1 s and one at 0.4 s do 32.5 steps a second, 4 of which are a step of the job."""
    assert np.mean(steps_of(*[[0.1] * 400] * 3, [0.4] * 400)) == pytest.approx(4 / 32.5)


def test_a_slow_rank_that_begins_late_is_counted_from_there() -> None:
    """Four steps of warm-up take a slow rank longer: until it has begun, not everybody works on what counts."""
    found = job(*[[0.1] * 30] * 3, [0.4] * 30, starts=[0.4, 0.4, 0.4, 1.6])
    assert (found.begin, found.end) == pytest.approx((1.6, 3.4))
    assert found.step == pytest.approx(4 / 32.5)


def test_counting_ends_with_the_first_rank_that_has_nothing_left() -> None:
    assert job([0.1] * 10, [0.1] * 40).end == pytest.approx(1.0)


def test_ranks_that_never_worked_at_the_same_time_have_no_speed() -> None:
    late = [np.array([0.0, 1.0]), np.array([2.0, 3.0])]
    assert timing.counted(late) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(0.05, 1.0), min_size=8, max_size=8), min_size=1, max_size=4))
def test_the_steps_of_a_job_never_last_longer_than_its_ranks(ranks: list[list[float]]) -> None:
    found = steps_of(*ranks)
    assert min(found) > 0
    assert np.mean(found) == pytest.approx(job(*ranks).step)
    assert sum(found) <= max(sum(one) for one in ranks) + 1e-9


def test_only_whole_periods_count() -> None:
    """Every fourth step holds an exchange; of eleven steps, eight are two periods."""
    found = job(*[([0.1, 0.1, 0.1, 0.5] * 3)[:11]] * 2, rhythm=4)
    assert found.end == pytest.approx(1.6)
    assert found.step == pytest.approx(0.2)
    assert job([0.1, 0.1, 0.1], rhythm=4).end == pytest.approx(0.3), "less than a period counts as it is"


def test_who_is_ahead_between_two_meetings_has_waited_before_them_and_will_behind_them() -> None:
    """Every fourth step begins with a meeting: a rank that is twice as fast waits in it, and is ahead after the others."""
    slow, fast = [0.6] * 8, [1.5, 0.3, 0.3, 0.3] * 2
    ranks = [np.cumsum([begun, *steps]) for begun, steps in ((1.2, slow), (0.0, fast))]
    as_met, as_it_lies = (timing.counted(ranks, 4, meet=meet) for meet in (True, False))
    assert as_met is not None and as_met.step == pytest.approx(0.6)
    assert as_it_lies is not None and as_it_lies.step < 0.59


def test_only_where_all_wait_for_all_does_everybody_meet() -> None:
    (made,) = scripted.records("quick", "algorithm=elastic*", "framework=torch", "model=AlexNet", repetitions=1)
    slow, fast = [0.6] * 8, [1.5, 0.3, 0.3, 0.3] * 2
    ranks = (rank(0, slow, started=(1.2 + 0.6 * np.arange(8)).tolist()), rank(1, fast))
    found = {}
    for waits_for in (1, 2):
        facts = Facts(role="algorithm", hides=False, waits_for=waits_for, every=4)
        found[waits_for] = timing.timing(made.model_copy(update={"ranks": ranks, "facts": facts}))
    met, alone = found[2], found[1]
    assert met is not None and met.seconds == pytest.approx(0.6)
    assert alone is not None and alone.seconds < 0.59


def test_steps_that_fill_an_empty_pipeline_do_not_count() -> None:
    """A gradient that is a step late is waited for from the second step on."""
    (made,) = scripted.records("quick", "algorithm=delayed*", "framework=torch", "model=AlexNet", repetitions=1)
    seconds = [0.3, *[0.5] * 11]
    ranks = tuple(rank(number, seconds) for number in range(2))
    for facts in (made.facts, None):
        found = timing.timing(made.model_copy(update={"ranks": ranks, "facts": facts}))
        assert found is not None and found.seconds == pytest.approx(0.5)
    alone = timing.counted([np.array([0.0, 0.3])], ahead=1)
    assert alone is not None and alone.step == pytest.approx(0.3), "a single step counts as it is"
    periods = timing.counted([np.cumsum([0.0, 0.1, *[0.1, 0.1, 0.1, 0.5] * 2, 0.1])] * 2, rhythm=4, ahead=1)
    assert periods is not None and (periods.begin, periods.end) == pytest.approx((0.1, 1.7))


def test_evaluations_are_cut_out_of_the_time() -> None:
    seconds = [1.0] * 4
    pausing = rank(0, seconds, started=[5.0, 6.0, 17.0, 18.0])  # ten seconds of evaluation after the second step
    assert np.diff(timing.ends(pausing, evaluated=True)) == pytest.approx(seconds)
    assert max(np.diff(timing.ends(pausing, evaluated=False))) == pytest.approx(11.0)  # waiting for data does count


def test_clocks_that_nobody_set_together_fall_back_on_durations() -> None:
    alone = rank(0, [1.0, 2.0], started=[float("nan"), float("nan")])
    assert np.diff(timing.ends(alone, evaluated=False)) == pytest.approx([1.0, 2.0])


def test_dropped_work_makes_useful_steps_longer() -> None:
    ranks = [rank(0, [1.0], contributions_used=30), rank(1, [1.0], contributions_dropped=10)]
    assert timing.useful_share(ranks) == pytest.approx(0.75)
    assert timing.Timing(Series((3.0,)), 0.75).useful_series.mean == pytest.approx(4.0)
    assert timing.useful_share([rank(0, [1.0])]) == 1.0
    ranks = [rank(0, [1.0], contributions_used=6), rank(1, [1.0], contributions_dropped=1, contributions_given_up=1)]
    assert timing.useful_share(ranks) == pytest.approx(0.75), "a step that was left is a step of which nothing came"


def test_a_rhythm_is_that_of_exchange_execution_and_pause() -> None:
    (record,) = scripted.records("stragglers", "algorithm=elastic*", "straggler=pause*", repetitions=1)
    assert timing.rhythm(record) == 8, "a period of 4, a pause every 8"
    unrolled = scripted.records("floor-tensorflow", "algorithm=layerwise", repetitions=1)[0]
    assert timing.rhythm(unrolled) == 8, "steps of one execution are alike"
    assert timing.rhythm(worlds.quick(repetitions=1)[0]) == 1


def test_parts_add_up_and_unknown_ones_are_not_zero() -> None:
    record = worlds.quick("framework=torch", "model=AlexNet", "algorithm=synchronous")[0]
    found = timing.parts(record)
    assert found is not None
    assert found.vote is None
    known = [found.compute, found.injected, found.exposed, found.wait, found.update]
    assert sum(value for value in known if value is not None) + found.other == pytest.approx(found.seconds)
    speed = timing.timing(record)
    assert speed is not None
    assert found.seconds == pytest.approx(speed.seconds), "parts and speed are of the same time"


@pytest.mark.parametrize("label", ["synchronous", "asynchronous", "elastic_averaging(period=4, asynchronous=true)"])
def test_parts_add_up_to_the_speed_where_ranks_go_their_own_ways(label: str) -> None:
    (record,) = scripted.records("stragglers", f"algorithm={label}", "straggler=constant*", repetitions=1)
    found, speed = timing.parts(record), timing.timing(record)
    assert found is not None and speed is not None
    known = [found.compute, found.injected, found.exposed, found.wait, found.update]
    assert sum(value for value in known if value is not None) == pytest.approx(speed.seconds, rel=1e-3)


def test_a_run_that_failed_has_no_times() -> None:
    from suite.record.outcome import Reason

    failed = worlds.quick(world=scripted.failing(Reason.KILLED))
    assert all(timing.timing(record) is None for record in failed)
