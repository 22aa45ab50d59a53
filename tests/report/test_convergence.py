"""Targets, tuning and curves."""

from __future__ import annotations

import math

import pytest

from suite.record.schema import Reached, Record
from suite.report.arms import Arm
from suite.report.convergence import at_rate, curve, highest, ratio, tuned
from tests.report import scripted, worlds


def reaching(record: Record, samples: int | None, target: float = 0.9) -> Record:
    """The same run, but having reached one target there, or never."""
    hits = (
        ()
        if samples is None
        else (Reached(target=target, step=samples // 32, samples=samples, bytes_sent=samples, seconds=samples / 100),)
    )
    return record.model_copy(update={"reached": hits})


def arms(*records: Record) -> dict[str, Arm]:
    return {arm.label: arm for arm in worlds.only_group(worlds.studied(*records)).arms}


def delay(**samples: dict[float, list[int | None]]) -> dict[str, Arm]:
    """By algorithm, learning rate and seed."""
    records = []
    for record in worlds.delay():
        name = record.labels.algorithm.split("(")[0]
        records.append(reaching(record, samples[name][record.labels.learning_rate][record.labels.seed]))
    return arms(*records)


@pytest.fixture(scope="module")
def found() -> dict[str, Arm]:
    return delay(
        synchronous={0.05: [1000, 1000, 1000], 0.2: [500, 600, 700]},
        delayed={0.05: [1000, 1200, None], 0.2: [None, None, 300]},
    )


def test_the_best_learning_rate_takes_the_fewest_samples(found: dict[str, Arm]) -> None:
    best = tuned(found["synchronous"])
    assert best is not None
    assert (best.learning_rate, best.tried) == (0.2, (0.05, 0.2))
    effort = best.effort(0.9)
    assert effort is not None and (effort.samples, effort.reached, effort.runs) == (600, 3, 3)


def test_a_rate_that_only_one_seed_tried_was_tuned_away() -> None:
    """However well it went with that seed: the others were spent on the best rate of the first."""
    records = [
        record
        for record in worlds.delay()
        if record.labels.algorithm == "synchronous" and (record.labels.learning_rate == 0.05 or record.labels.seed == 0)
    ]
    best = tuned(arms(*records)["synchronous"])
    assert best is not None and (best.learning_rate, len(best.runs)) == (0.05, 3)


def test_a_run_that_never_arrived_counts_as_longer_than_all_that_did(found: dict[str, Arm]) -> None:
    best = tuned(found["delayed(steps=1)"])
    assert best is not None
    assert best.learning_rate == 0.05  # two of three beat one of three, however quick that one was
    effort = best.effort(0.9)
    assert effort is not None and (effort.samples, effort.reached) == (1200, 2)
    never = at_rate(found["delayed(steps=1)"], 0.2)
    assert never is not None
    effort = never.effort(0.9)
    assert effort is not None and math.isinf(effort.samples) and effort.reached == 1


def test_no_ratio_where_a_run_never_arrived(found: dict[str, Arm]) -> None:
    slow, fast = tuned(found["delayed(steps=1)"]), tuned(found["synchronous"])
    assert slow is not None and fast is not None
    assert ratio(slow, fast, 0.9) is None


def test_ratios_are_taken_seed_by_seed() -> None:
    found = delay(
        synchronous={0.05: [400, 800, 1600], 0.2: [None] * 3}, delayed={0.05: [600, 1200, 2400], 0.2: [None] * 3}
    )
    slow, fast = tuned(found["delayed(steps=1)"]), tuned(found["synchronous"])
    assert slow is not None and fast is not None
    interval = ratio(slow, fast, 0.9)
    assert interval is not None
    assert (interval.value, interval.low, interval.high) == pytest.approx((1.5, 1.5, 1.5))


def test_median_of_an_even_number_of_runs_half_of_which_never_arrived() -> None:
    records = [record for record in worlds.delay() if record.labels.seed < 2]
    made = arms(*(reaching(record, 1000 if record.labels.seed == 0 else None) for record in records))
    best = tuned(made["synchronous"])
    assert best is not None
    effort = best.effort(0.9)
    assert effort is not None and math.isinf(effort.samples)


def test_a_curve_is_a_median_with_the_range_of_the_runs() -> None:
    best = tuned(arms(*worlds.delay())["synchronous"])
    assert best is not None
    points = curve(best.runs)
    assert len(points) == len(best.runs[0].record.evaluations)
    for number, point in enumerate(points):
        values = sorted(run.record.evaluations[number].top1 for run in best.runs)
        assert point.top1 == (values[0], values[1], values[2])
    assert [point.samples for point in points] == sorted(point.samples for point in points)


def test_diverged_runs_are_counted_and_left_out_of_curves() -> None:
    best = tuned(arms(*worlds.delay(scripted.diverging("delayed")))["delayed(steps=1)"])
    assert best is not None
    assert best.diverged == 3
    assert curve(best.runs) == ()


def test_a_run_that_diverged_has_reached_nothing_and_ends_nowhere() -> None:
    """Whatever it had reached before."""
    diverged = (one.outcome for one in worlds.delay(scripted.diverging("delayed")) if one.outcome.status == "diverged")
    lost = next(diverged)
    quick = [reaching(record, 100 if record.labels.learning_rate == 0.2 else 800) for record in worlds.delay()]
    fell = [
        record.model_copy(update={"outcome": lost}) if record.labels.learning_rate == 0.2 else record
        for record in quick
    ]
    best = tuned(arms(*fell)["synchronous"])
    assert best is not None and best.learning_rate == 0.05
    gone = at_rate(arms(*fell)["synchronous"], 0.2)
    assert gone is not None and gone.finals == ()
    effort = gone.effort(0.9)
    assert effort is not None and math.isinf(effort.samples) and effort.reached == 0
    assert highest([gone]) is None


def test_arms_without_evaluations_are_not_tuned() -> None:
    group = worlds.only_group(worlds.studied(*worlds.quick(repetitions=1)))
    assert tuned(group.arms[0]) is None


@pytest.mark.parametrize(
    ("delayed", "doubt"),
    [
        ((0.5, 0.51, 0.52), ""),
        ((0.7, 0.9, 0.95), ", not surely above all others"),
        ((0.5,), ", not surely above all others"),
    ],
)
def test_who_ends_highest_and_whether_surely(delayed: tuple[float, ...], doubt: str) -> None:
    ends = {"synchronous": (0.9, 0.91, 0.92), "delayed(steps=1)": delayed}
    records = [
        record.model_copy(update={"evaluations": (record.evaluations[-1].model_copy(update={"top1": those[seed]}),)})
        for record in worlds.delay()
        for those, seed in [(ends[record.labels.algorithm], record.labels.seed)]
        if record.labels.learning_rate == 0.05 and seed < len(those)
    ]
    best = highest([one for arm in arms(*records).values() for one in [tuned(arm)] if one is not None])
    assert best is not None
    assert (best.best.arm.label, best.doubt) == ("synchronous", doubt)
