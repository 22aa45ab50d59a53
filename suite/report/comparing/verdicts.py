"""What became of a cell between two sets, with a false-alarm rate that holds for all cells together.

Each cell is tested run by run: paired logarithms of what a useful step took, and paired final accuracies, with
Student's t. The chance of one false alarm among all tests is kept below `false_alarm` by Holm's correction, one direction
at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

from suite import statistics
from suite.report.comparing.matching import Cell
from suite.statistics import Interval

LEAST_PAIRS = 2


class Change(StrEnum):
    SLOWER = "slower"
    FASTER = "faster"
    LESS_ACCURATE = "less accurate"
    MORE_ACCURATE = "more accurate"
    BROKEN = "no longer finishes"
    MENDED = "finishes now"
    NONE = "not distinguishable"
    UNKNOWN = "too few runs to tell"

    @property
    def is_worse(self) -> bool:
        return self in (Change.SLOWER, Change.LESS_ACCURATE, Change.BROKEN)


@dataclass(frozen=True)
class Outcome:
    cell: Cell
    time: Interval | None  # of the second over the first
    detectable: float | None  # smallest relative change of time that so many runs would find, 4 times of 5
    accuracy: Interval | None  # second less first
    changes: tuple[Change, ...]

    @property
    def worse(self) -> bool:
        return any(change.is_worse for change in self.changes)


@dataclass(frozen=True)
class Chances:
    """One-sided p-values of one cell: that the second is worse, or better, by more than the tolerance."""

    time_up: float = math.nan
    time_down: float = math.nan
    accuracy_down: float = math.nan
    accuracy_up: float = math.nan


def judge(cells: Sequence[Cell], *, false_alarm: float = 0.05, tolerance: float = 0.0) -> tuple[Outcome, ...]:
    if not 0 < false_alarm < 1:
        raise ValueError(f"false_alarm = {false_alarm}: above 0, below 1")
    if not 0 <= tolerance < 10:
        raise ValueError(f"tolerance = {tolerance}: at least 0, below 10")
    chances = [_chances(cell, tolerance) for cell in cells]
    # Worse and better are two families: only the first decides the exit code.
    worse = holm([value for one in chances for value in (one.time_up, one.accuracy_down)], false_alarm)
    better = holm([value for one in chances for value in (one.time_down, one.accuracy_up)], false_alarm)
    return tuple(
        _outcome(cell, chances[place], worse[2 * place : 2 * place + 2], better[2 * place : 2 * place + 2])
        for place, cell in enumerate(cells)
    )


def holm(chances: Sequence[float], false_alarm: float) -> list[bool]:
    """Which hypotheses fall, so that the chance of one falling wrongly stays below `false_alarm`. NaN: not tested."""
    tested = sorted((value, place) for place, value in enumerate(chances) if not math.isnan(value))
    fallen = [False] * len(chances)
    for done, (value, place) in enumerate(tested):
        if value > false_alarm / (len(tested) - done):
            break
        fallen[place] = True
    return fallen


def _chances(cell: Cell, tolerance: float) -> Chances:
    logs = _logs(cell)
    gains = _gains(cell)
    room = math.log1p(tolerance)
    return Chances(
        time_up=_chance([value - room for value in logs]),
        time_down=_chance([-value - room for value in logs]),
        accuracy_down=_chance([-value for value in gains]),
        accuracy_up=_chance(gains),
    )


def _chance(values: Sequence[float]) -> float:
    """That the mean is above 0 by chance alone."""
    if len(values) < LEAST_PAIRS:
        return math.nan
    if np.ptp(values) == 0:  # no spread at all: records of something deterministic
        return 0.0 if values[0] > 0 else 1.0
    return float(stats.ttest_1samp(values, 0.0, alternative="greater").pvalue)


def _outcome(cell: Cell, chances: Chances, worse: Sequence[bool], better: Sequence[bool]) -> Outcome:
    changes = []
    first, second = cell.finished(0), cell.finished(1)
    if second < first:
        changes.append(Change.BROKEN)
    elif second > first:
        changes.append(Change.MENDED)
    named = (
        (worse[0], Change.SLOWER),
        (better[0], Change.FASTER),
        (worse[1], Change.LESS_ACCURATE),
        (better[1], Change.MORE_ACCURATE),
    )
    changes += [change for fallen, change in named if fallen]
    if not changes:
        untold = math.isnan(chances.time_up) and math.isnan(chances.accuracy_down)
        changes.append(Change.UNKNOWN if untold else Change.NONE)
    rounds = [
        (other.timing.useful_series, one.timing.useful_series)
        for one, other in cell.timed
        if one.timing is not None and other.timing is not None
    ]
    gains = _gains(cell)
    return Outcome(
        cell,
        statistics.paired_ratio(rounds) if rounds else None,
        statistics.minimum_detectable_effect(rounds) if len(rounds) >= LEAST_PAIRS else None,
        statistics.mean(gains) if gains else None,
        tuple(changes),
    )


def _logs(cell: Cell) -> list[float]:
    """Of the second's useful step over the first's, per pair."""
    return [
        math.log(other.timing.useful_series.mean / one.timing.useful_series.mean)
        for one, other in cell.timed
        if one.timing is not None and other.timing is not None
    ]


def _gains(cell: Cell) -> list[float]:
    """Final accuracy of the second less that of the first, per pair."""
    return [
        other.record.evaluations[-1].top1 - one.record.evaluations[-1].top1
        for one, other in cell.pairs
        if one.record.evaluations and other.record.evaluations
    ]
