"""How far training came: curves over seeds, and what it took to reach target accuracies.

Every algorithm is judged at its own best learning rate among those that were tried, the same for all: the one with which
the highest target took the fewest samples. Where rates were tried with one seed and the best of them with more, that is the
one. A run that never reached a target counts as longer than all that did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from suite import statistics
from suite.record.learned import Effort, badness, counts, diverged, efforts, finals, reached
from suite.record.schema import Evaluation, Reached
from suite.report.arms import Arm, Group, Run
from suite.statistics import Interval, Series


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
        """The last accuracy of every run that came to an evaluation and did not diverge."""
        return finals(run.record for run in self.runs)

    @property
    def counted(self) -> tuple[Run, ...]:
        """Runs that say something about targets: evaluated to their end, or diverged. Others are holes, not failures."""
        return tuple(run for run in self.runs if counts(run.record))

    @property
    def diverged(self) -> int:
        return sum(diverged(run.record) for run in self.runs)

    @property
    def badness(self) -> tuple[float, ...]:
        """The least is the best."""
        return badness([run.record for run in self.runs])

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
    return min((one for one in found if len(one.runs) == most), key=lambda one: one.badness, default=None)


def rates(arm: Arm) -> tuple[float, ...]:
    """The learning rates at which the arm was trained towards evaluations."""
    return tuple(sorted({run.record.labels.learning_rate for run in _evaluated(arm)}))


def at_rate(arm: Arm, rate: float) -> Tuned | None:
    """None where this learning rate was not tried."""
    chosen = tuple(run for run in _evaluated(arm) if run.record.labels.learning_rate == rate)
    if not chosen:
        return None
    return Tuned(arm, rate, rates(arm), chosen, efforts([run.record for run in chosen]))


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


def doubt(best: Tuned, found: Sequence[Tuned], target: float, measure: str) -> str:
    """Whether the one that needed least surely did: empty where every other that always got there surely needed more."""
    beside = [ratio(one, best, target, measure) for one in found if one is not best]
    sure = all(one is None or (one.decides and one.low > 1) for one in beside)
    return "" if sure else ", not surely before all others"


@dataclass(frozen=True, eq=False)
class Highest:
    """The most accurate at the end, on average over its runs, and whether it surely is: all other intervals lie below."""

    best: Tuned
    accuracy: Interval
    sure: bool

    @property
    def doubt(self) -> str:
        return "" if self.sure else ", not surely above all others"


def highest(found: Sequence[Tuned]) -> Highest | None:
    """None where nothing was evaluated. An algorithm of which a run diverged is none of those that end highest."""
    ends = [(one, statistics.mean(one.finals)) for one in found if one.finals and not one.diverged]
    if not ends:
        return None
    best, accuracy = max(ends, key=lambda end: end[1].value)
    others = [end for one, end in ends if one is not best]
    return Highest(best, accuracy, all(accuracy.known and end.known and end.high < accuracy.low for end in others))


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


def _by_seed(found: Tuned, target: float) -> dict[tuple[int, int], Reached | None]:
    return {(run.record.labels.seed, run.record.repetition): reached(run.record, target) for run in found.counted}


def _amount(reached: Reached | None, measure: str) -> float:
    if reached is None:
        raise ValueError("a target that was not reached took no amount")
    return float(getattr(reached, measure))
