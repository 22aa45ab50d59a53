"""What one arm's runs say about its speed, alone and beside the reference, the control and the ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suite import statistics
from suite.report.arms import Arm, Group, Run
from suite.report.floors import Floor, floor
from suite.statistics import Interval, Verdict

Rounds = list[tuple[tuple[float, ...], tuple[float, ...]]]


@dataclass(frozen=True)
class Comparison:
    """How many times as fast one arm is as another, counting only work that was used."""

    ratio: Interval
    verdict: Verdict
    rounds: int


@dataclass(frozen=True)
class Measures:
    """None: not known, or nothing to compare with."""

    step: Interval | None = None  # seconds per step of the job
    samples_per_second: Interval | None = None
    over_reference: Comparison | None = None
    over_control: Comparison | None = None
    of_ceiling: Comparison | None = None
    floor: Floor | None = None
    exposed: float | None = None
    wait: float | None = None
    useful: float = 1.0
    warnings: tuple[str, ...] = ()


def measures(arm: Arm, group: Group) -> Measures:
    timed = arm.timed
    if not timed:
        return Measures()
    step = statistics.paired_ratio([(run.timing.steps, (1.0,)) for run in timed if run.timing])
    useful = float(np.mean([run.timing.useful for run in timed if run.timing]))
    step = step if len(timed) > 1 else _within(timed[0])
    parts = [run.parts for run in timed if run.parts is not None]
    return Measures(
        step=step,
        samples_per_second=_rate(step, arm.samples_per_step * useful),
        over_reference=compare(arm, group.reference),
        over_control=compare(arm, group.control),
        of_ceiling=compare(arm, group.ceiling),
        floor=floor(arm, group),
        exposed=_mean([one.exposed for one in parts]),
        wait=_mean([one.wait for one in parts]),
        useful=useful,
        warnings=_warnings(timed),
    )


def compare(first: Arm, second: Arm | None) -> Comparison | None:
    """None without a second arm, with the same one, or where no two runs were interleaved."""
    if second is None or second is first:
        return None
    rounds = pairs(first, second)
    if not rounds:
        return None
    # The time of the second over the time of the first: above 1 the first is faster.
    ratio = statistics.paired_ratio([(theirs, ours) for ours, theirs in rounds])
    verdicts = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
    said = statistics.verdict(ratio)
    return Comparison(ratio, verdicts.get(said, said), len(rounds))


def pairs(first: Arm, second: Arm) -> Rounds:
    """Runs of the same block of the same sweep. Where a block has several (learning rates), in their order."""
    ours, theirs = _by_block(first), _by_block(second)
    return [
        (one.timing.seconds_per_useful_step, other.timing.seconds_per_useful_step)
        for block in ours
        if block in theirs
        for one, other in zip(ours[block], theirs[block], strict=False)
        if one.timing is not None and other.timing is not None
    ]


def _by_block(arm: Arm) -> dict[tuple[str, int], list[Run]]:
    found: dict[tuple[str, int], list[Run]] = {}
    for run in sorted(arm.timed, key=lambda one: one.record.labels.learning_rate):
        found.setdefault(run.block, []).append(run)
    return dict(sorted(found.items()))


def _within(run: Run) -> Interval:
    """Of a single run: from its steps in blocks, beside a clock that always shows one second."""
    steps = run.timing.steps if run.timing is not None else ()
    return statistics.paired_ratio([(steps, (1.0,) * max(len(steps), statistics.LEAST_FOR_BCA))])


def _rate(step: Interval, samples: float) -> Interval:
    low = samples / step.high if step.high > 0 else float("inf")
    high = samples / step.low if step.low > 0 else float("inf")
    return Interval(samples / step.value, low, high, step.confidence, step.count, step.within_run)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _warnings(timed: tuple[Run, ...]) -> tuple[str, ...]:
    found = [statistics.noise(run.timing.steps).warning() for run in timed if run.timing is not None]
    return tuple(dict.fromkeys(one for one in found if one is not None))
