"""How long the steps of a whole job took, from the raw times of its ranks.

A job's step is over when as many steps have ended, on whatever rank, as there are ranks. Where all ranks go in step this
is the moment when the slowest of them has done its step; where they do not, it counts what every rank got done, so that
fast ranks are neither ignored nor taken for the whole job. What is counted ends when the first rank has nothing left to
do. Evaluations are cut out of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite import statistics
from suite.run.record import Rank, Record, Steps

Floats = NDArray[np.float64]

# Last steps that end within this share of a step of each other ended together.
TOGETHER = 0.5
PARTS = ("compute", "injected", "exposed", "wait", "vote", "update")


@dataclass(frozen=True)
class Timing:
    """Of one finished run."""

    steps: tuple[float, ...]  # seconds per step of the job, the unsteady start cut off
    cut: int  # steps that were cut off as start
    useful: float  # share of the contributions that were used

    @property
    def seconds_per_useful_step(self) -> tuple[float, ...]:
        """What is dropped was computed in vain: a job that drops a quarter needs 4/3 of the time for the same work."""
        return tuple(one / self.useful for one in self.steps)


@dataclass(frozen=True)
class Parts:
    """Seconds per step, averaged over steps and ranks; None: the run could not tell."""

    compute: float | None
    injected: float | None
    exposed: float | None
    wait: float | None
    vote: float | None
    update: float | None
    other: float
    seconds: float


def timing(record: Record) -> Timing | None:
    """None for a run that is not a result, or too short to have a step of all its ranks."""
    if not record.finished or any(not rank.steps.seconds for rank in record.ranks):
        return None
    evaluated = record.specification.evaluate_every > 0
    times = job_steps([spans(rank, evaluated) for rank in record.ranks])
    if not len(times):
        return None
    cut = statistics.steady_state(times)
    return Timing(tuple(times[cut:].tolist()), cut, useful_share(record.ranks))


def spans(rank: Rank, evaluated: bool) -> tuple[Floats, Floats]:
    """When each counting step began and ended. In a run that was evaluated, what lies between steps is cut out."""
    began = np.asarray(rank.steps.started)
    seconds = np.asarray(rank.steps.seconds)
    if evaluated or not np.all(np.isfinite(began)):
        first = float(began[0]) if math.isfinite(began[0]) else 0.0
        ended = first + np.cumsum(seconds)
        return ended - seconds, ended
    return began, began + seconds


def job_steps(ranks: list[tuple[Floats, Floats]]) -> Floats:
    begin = max(float(began[0]) for began, _ in ranks)
    last = [float(ended[-1]) for _, ended in ranks]
    step = float(np.median(np.concatenate([ended - began for began, ended in ranks])))
    end = max(last) if max(last) - min(last) <= TOGETHER * step else min(last)
    ends = np.sort(np.concatenate([ended for _, ended in ranks]))
    counted = ends[(ends > begin) & (ends <= end)]
    marks = counted[len(ranks) - 1 :: len(ranks)]
    times: Floats = np.diff(np.concatenate([[begin], marks]))
    return times[times > 0]


def useful_share(ranks: Iterable[Rank]) -> float:
    counted = [rank.telemetry for rank in ranks if rank.telemetry is not None]
    used = sum(one.contributions_used for one in counted)
    lost = sum(one.contributions_lost for one in counted)
    return used / (used + lost) if used else 1.0


def parts(record: Record) -> Parts | None:
    columns = [rank.steps for rank in record.ranks if rank.steps.seconds]
    if not columns:
        return None
    known = {name: _average(columns, name) for name in PARTS}
    seconds = _mean([one.seconds for one in columns])
    other = max(0.0, seconds - sum(value for value in known.values() if value is not None))
    return Parts(**known, other=other, seconds=seconds)


def _average(columns: list[Steps], name: str) -> float | None:
    chosen = [getattr(one, name) for one in columns]
    return None if any(one is None for one in chosen) else _mean(chosen)


def _mean(columns: list[tuple[float, ...]]) -> float:
    return float(np.mean(np.concatenate([np.asarray(one) for one in columns])))
