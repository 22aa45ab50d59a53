"""How far training came: curves over seeds, and what it took to reach target accuracies.

Every algorithm is judged at its own best learning rate among those that were tried, the same for all: the one with which
the highest target took the fewest samples. Where rates were tried with one seed and the best of them with more, that is the
one. A run that never reached a target counts as longer than all that did.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from suite import statistics
from suite.record.schema import Evaluation, Reached
from suite.report.arms import Arm, Group, Run
from suite.statistics import Interval, Series

MEASURES = ("samples", "step", "bytes_sent", "seconds")


@dataclass(frozen=True)
class Effort:
    """What several runs needed to one target; infinite where half of them or more never got there."""

    target: float
    runs: int
    reached: int
    samples: float
    step: float
    bytes_sent: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Tuned:
    """An arm at its best learning rate."""

    arm: Arm
    learning_rate: float
    tried: tuple[float, ...]
    runs: tuple[Run, ...]
    efforts: tuple[Effort, ...]

    @property
    def finals(self) -> tuple[float, ...]:
        """The last accuracy of every run that came to an evaluation."""
        return tuple(run.record.evaluations[-1].top1 for run in self.runs if run.record.evaluations)

    @property
    def counted(self) -> tuple[Run, ...]:
        """Runs that say something about targets: evaluated to their end, or diverged. Others are holes, not failures."""
        return tuple(run for run in self.runs if _counts(run))

    @property
    def diverged(self) -> int:
        return sum(run.record.outcome.status == "diverged" for run in self.runs)

    def effort(self, target: float) -> Effort | None:
        return next((one for one in self.efforts if one.target == target), None)


@dataclass(frozen=True)
class Point:
    """Where the runs of an arm stood at their n-th evaluation: medians, and the range of accuracy and loss."""

    step: float
    samples: float
    bytes_sent: float
    seconds: float
    top1: tuple[float, float, float]  # lowest, median, highest
    loss: tuple[float, float, float]


def converges(group: Group) -> bool:
    return any(run.record.evaluations for arm in group.arms for run in arm.runs)


def tuned(arm: Arm) -> Tuned | None:
    """None for an arm without any evaluation asked for."""
    found = [one for rate in rates(arm) for one in [at_rate(arm, rate)] if one is not None]
    most = max((len(one.runs) for one in found), default=0)
    return min((one for one in found if len(one.runs) == most), key=badness, default=None)


def rates(arm: Arm) -> tuple[float, ...]:
    """The learning rates at which the arm was trained towards evaluations."""
    return tuple(sorted({run.record.labels.learning_rate for run in _evaluated(arm)}))


def at_rate(arm: Arm, rate: float) -> Tuned | None:
    """None where this learning rate was not tried."""
    chosen = tuple(run for run in _evaluated(arm) if run.record.labels.learning_rate == rate)
    if not chosen:
        return None
    counted = [run for run in chosen if _counts(run)]
    targets = chosen[0].record.specification.targets if counted else ()
    return Tuned(arm, rate, rates(arm), chosen, tuple(_effort(counted, target) for target in targets))


def ratio(first: Tuned, second: Tuned, target: float, measure: str = "samples") -> Interval | None:
    """How many times as much the first needed as the second, seed by seed. None unless all runs of both reached it."""
    ours, theirs = _by_seed(first, target), _by_seed(second, target)
    both = sorted(set(ours) & set(theirs))
    if not both or any(one is None for one in (*ours.values(), *theirs.values())):
        return None
    pairs = [(_amount(ours[seed], measure), _amount(theirs[seed], measure)) for seed in both]
    if min(min(pair) for pair in pairs) <= 0:
        return None
    found = statistics.paired_ratio([(Series((one,)), Series((other,))) for one, other in pairs])
    return replace(found, lacks="one seed") if len(pairs) == 1 else found


def curve(runs: Sequence[Run]) -> tuple[Point, ...]:
    """As long as every run that has any evaluation goes on; who diverged early is in the table, not in the curve."""
    rows = [run.record.evaluations for run in runs if run.record.finished and run.record.evaluations]
    return tuple(_point(column) for column in zip(*rows, strict=False))


def _point(column: Sequence[Evaluation]) -> Point:
    def middle(name: str) -> float:
        return float(np.median([getattr(one, name) for one in column]))

    def spread(name: str) -> tuple[float, float, float]:
        values = [float(getattr(one, name)) for one in column]
        return (min(values), float(np.median(values)), max(values))

    return Point(
        step=middle("step"),
        samples=middle("samples"),
        bytes_sent=middle("bytes_sent"),
        seconds=middle("seconds"),
        top1=spread("top1"),
        loss=spread("loss"),
    )


def _evaluated(arm: Arm) -> list[Run]:
    return [run for run in arm.runs if run.record.specification.evaluate_every]


def _counts(run: Run) -> bool:
    record = run.record
    return record.outcome.status == "diverged" or (record.finished and bool(record.evaluations))


def _effort(runs: Sequence[Run], target: float) -> Effort:
    found = [_reached(run, target) for run in runs]

    def middle(measure: str) -> float:
        # The median of values some of which are infinite, without meeting inf - inf.
        ordered = sorted(math.inf if one is None else _amount(one, measure) for one in found)
        half = len(ordered) // 2
        low, high = ordered[half - 1 if len(ordered) % 2 == 0 else half], ordered[half]
        return math.inf if math.isinf(high) else (low + high) / 2

    return Effort(target, len(runs), sum(one is not None for one in found), *(middle(name) for name in MEASURES))


def badness(candidate: Tuned) -> tuple[float, ...]:
    finals = candidate.finals
    accuracy = float(np.median(finals)) if finals else 0.0
    broken = len(candidate.runs) - len(candidate.counted) + candidate.diverged
    untold = not candidate.efforts and bool(candidate.runs[0].record.specification.targets)
    return (float(untold), *(one.samples for one in reversed(candidate.efforts)), float(broken), -accuracy)


def _by_seed(found: Tuned, target: float) -> dict[tuple[int, int], Reached | None]:
    return {(run.record.labels.seed, run.record.repetition): _reached(run, target) for run in found.counted}


def _reached(run: Run, target: float) -> Reached | None:
    return next((one for one in run.record.reached if math.isclose(one.target, target)), None)


def _amount(reached: Reached | None, measure: str) -> float:
    if reached is None:
        raise ValueError("a target that was not reached took no amount")
    return float(getattr(reached, measure))
