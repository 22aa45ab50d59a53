"""How fast a whole job was, from the raw times of its ranks: work over time.

What counts lies between the moment when all ranks have begun and the moment when the first of them has nothing left to do,
cut to whole periods where the run has a rhythm. The first steps of a pipeline do not count: nothing may be under way when
the warm-up has ended, and then they wait for nothing. A job's step is as much work as one step of every rank, on whatever
rank it was done: where ranks go in step it lasts as long as the slowest of them, and where they do not, a fast rank is
neither ignored nor taken for the whole job. Where all meet, but not in every step, a fast rank is ahead between two
meetings and waits at the next: whole periods of its own count. Evaluations are cut out of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.cluster.stragglers import repeats_after, steps_needed
from suite.record.rank import PARTS, Rank, Steps
from suite.record.schema import Record
from suite.report.facts import of as facts_of
from suite.statistics import Series

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Timing:
    """Of one finished run."""

    series: Series  # seconds per step of the job, whether its work was used or not
    useful: float  # share of the contributions that were used

    @property
    def seconds(self) -> float:
        """A step's share of the time; its inverse is the speed."""
        return self.series.mean

    @property
    def typical(self) -> float:
        """The median step, which knows nothing of the few that are longer."""
        return float(np.median(self.series.times))

    @property
    def useful_series(self) -> Series:
        """What is dropped was computed in vain: a job that drops a quarter needs 4/3 of the time for the same work."""
        return self.series.scaled(1 / self.useful)


@dataclass(frozen=True)
class Parts:
    """Seconds per step of the job, over the same time as its speed; None: the run could not tell. They add up."""

    compute: float | None
    injected: float | None
    exposed: float | None
    wait: float | None
    vote: float | None
    update: float | None
    other: float
    seconds: float


@dataclass(frozen=True)
class Counted:
    """When the steps of every rank ended, the first entry being when they began, and which of that time counts."""

    ends: tuple[Floats, ...]
    begin: float
    end: float

    @property
    def work(self) -> list[Floats]:
        """How much of every rank's every step was done while it counted."""
        return [
            np.diff(np.interp(np.clip(one, self.begin, self.end), one, np.arange(len(one), dtype=float)))
            for one in self.ends
        ]

    @property
    def step(self) -> float:
        return (self.end - self.begin) * len(self.ends) / sum(float(one.sum()) for one in self.work)


def timing(record: Record) -> Timing | None:
    """None for a run that is not a result, is too short to have a step of all its ranks, or whose ranks changed."""
    counted = _counted(record)
    if counted is None:
        return None
    return Timing(Series(job_steps(counted), rhythm(record), _needed(record)), useful_share(record.ranks))


def useful_seconds(record: Record) -> float | None:
    """Of a step's worth of work that was used; None where there is no timing."""
    found = timing(record)
    return None if found is None else found.useful_series.mean


def parts(record: Record) -> Parts | None:
    counted = _counted(record)
    if counted is None:
        return None
    columns = [rank.steps for rank in record.ranks]
    known = {name: _average(columns, counted.work, name) for name in PARTS}
    other = max(0.0, counted.step - sum(value for value in known.values() if value is not None))
    return Parts(**known, other=other, seconds=counted.step)


def rhythm(record: Record) -> int:
    """Steps after which the run does the same again: exchange, unrolled execution, pause."""
    specified = record.specification
    period = specified.algorithm.options.get("period")
    found = [period if isinstance(period, int) else 1, specified.steps_per_execution]
    if specified.straggler is not None:
        found.append(repeats_after(specified.straggler))
    return math.lcm(*found)


def counted(ranks: list[Floats], rhythm: int = 1, ahead: int = 0, *, meet: bool = False) -> Counted | None:
    """From each rank's beginning and the ends of its steps, of which the first `ahead` do not count where there are more.
    None where ranks have no time in common. `meet`: all do, once in a rhythm.
    """
    first = max(0, min(ahead, *(len(one) - 2 for one in ranks)))
    if meet:  # as if all had begun together: who is ahead at the beginning is so at the end
        latest = max(float(one[first]) for one in ranks)
        ranks = [one + (latest - one[first]) for one in ranks]
    steps = [len(one) - 1 - first for one in ranks]
    whole = [first + (count // rhythm * rhythm or count) for count in steps]
    begin = max(float(one[first]) for one in ranks)
    end = min(float(one[last]) for one, last in zip(ranks, whole, strict=True))
    return Counted(tuple(ranks), begin, end) if end > begin else None


def job_steps(found: Counted) -> tuple[float, ...]:
    """The time cut into as many pieces of equal work as there are steps in it."""
    knots = np.unique(np.concatenate([np.clip(one, found.begin, found.end) for one in found.ends]))
    done = sum(np.interp(knots, one, np.arange(len(one), dtype=float)) for one in found.ends)
    total = float(done[-1] - done[0])
    count = max(1, round(total / len(found.ends)))
    marks = np.interp(np.linspace(done[0], done[-1], count + 1), done, knots)
    times: Floats = np.diff(marks) * (count * len(found.ends) / total)
    return tuple(times.tolist())


def ends(rank: Rank, evaluated: bool) -> Floats:
    """When a rank began and when its steps ended. In a run that was evaluated, what lies between steps is cut out."""
    began = np.asarray(rank.steps.started)
    seconds = np.asarray(rank.steps.seconds)
    first = float(began[0]) if math.isfinite(began[0]) else 0.0
    if evaluated or not np.all(np.isfinite(began)):
        return first + np.concatenate([[0.0], np.cumsum(seconds)])
    return np.maximum.accumulate(np.concatenate([[first], began + seconds]))


def useful_share(ranks: Iterable[Rank]) -> float:
    found = [rank.telemetry for rank in ranks if rank.telemetry is not None]
    used = sum(one.contributions_used for one in found)
    lost = sum(one.contributions_lost for one in found)
    return used / (used + lost) if used else 1.0


def _counted(record: Record) -> Counted | None:
    if not record.finished or any(not rank.steps.seconds for rank in record.ranks):
        return None
    if record.specification.faults is not None:
        return None
    evaluated = record.specification.evaluate_every > 0
    facts = facts_of(record)
    ahead = 0 if facts is None or facts.ahead is None else facts.ahead
    meet = facts is not None and facts.every > 1 and facts.waits_for == record.specification.workers
    return counted([ends(rank, evaluated) for rank in record.ranks], rhythm(record), ahead, meet=meet)


def _needed(record: Record) -> int:
    """Steps that this run's straggler takes before its mean shows, where the record says what it was."""
    specified = record.specification
    replay = specified.model.replay
    if specified.straggler is None or replay is None or replay.forward is None or replay.backward is None:
        return 0
    return steps_needed(specified.straggler, specified.workers, replay.forward + replay.backward)


def _average(columns: list[Steps], work: list[Floats], name: str) -> float | None:
    chosen = [getattr(one, name) for one in columns]
    if any(one is None for one in chosen):
        return None
    return float(np.average(np.concatenate(chosen), weights=np.concatenate(work)))
