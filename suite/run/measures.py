"""From a record's raw columns to the series that can be compared. Nothing here averages over runs.

A step is over when the slowest rank is. Where ranks do not move in step (quorum rounds, asynchronous algorithms), a step of
one rank says little about the job; there the job's speed is what all ranks together got done in the time that they shared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.contract import Rounds
from suite import statistics
from suite.run import choices
from suite.run.record import Rank, Record

Series = NDArray[np.float64]


def in_step(record: Record) -> bool:
    """Whether all ranks take part in every exchange, so that step t of one rank belongs to step t of another."""
    specification = record.specification
    made = choices.make_algorithm(specification.algorithm.name, specification.algorithm.options)
    if not isinstance(made, Rounds):
        return True
    return made.waits and made.quorum(specification.workers) == specification.workers


def steps(record: Record) -> Series:
    """Seconds of each counting step of the slowest rank."""
    columns = [rank.steps.seconds for rank in record.ranks]
    count = min((len(column) for column in columns), default=0)
    return np.max(np.array([column[:count] for column in columns]), axis=0) if count else np.zeros(0)


def global_steps(record: Record) -> Series:
    """Seconds in which the job gets one batch per worker done, one value per step.

    In step: the slowest rank's steps. Otherwise: the time that all ranks worked side by side, cut into as many pieces of
    equal work as ranks took steps on average.
    """
    if in_step(record):
        return steps(record)
    window = shared_window(record)
    if window is None:
        return np.zeros(0)
    begin, end = window
    ends = np.sort(np.concatenate([_ends(rank) for rank in record.ranks]))
    inside = ends[(ends > begin) & (ends <= end)]
    done = inside[len(record.ranks) - 1 :: len(record.ranks)]  # when another batch per worker was complete
    found: Series = np.diff(np.concatenate([[begin], done]))
    return found


def steady(series: Series) -> Series:
    """Without the part in which it had not settled."""
    return series[statistics.steady_state(series) :] if len(series) else series


def samples_per_second(record: Record) -> float:
    """Computed by all ranks together, in the steady part; NaN where there is none."""
    series = steady(global_steps(record))
    if not len(series):
        return float("nan")
    return record.specification.batch_size * len(record.ranks) / float(np.median(series))


def used_share(record: Record) -> float:
    """Of the contributions that ranks made, the share that a round took; 1 where nothing is ever dropped."""
    counted = [rank.telemetry for rank in record.ranks if rank.telemetry is not None]
    used = sum(one.contributions_used for one in counted)
    dropped = sum(one.contributions_dropped for one in counted)
    return used / (used + dropped) if used + dropped else 1.0


@dataclass(frozen=True)
class Parts:
    """Seconds of one step on one rank, by what they were spent on; NaN where the run could not tell."""

    compute: float
    injected: float
    exposed: float
    wait: float
    vote: float
    update: float
    other: float


def parts(rank: Rank) -> Parts:
    """Medians of the parts over the counting steps; `other` is what is left of the median step."""
    columns = rank.steps

    def middle(column: tuple[float, ...] | None) -> float:
        return float(np.median(column)) if column else float("nan")

    known = {
        name: middle(getattr(columns, name)) for name in ("compute", "injected", "exposed", "wait", "vote", "update")
    }
    rest = middle(columns.seconds) - float(np.nansum(list(known.values())))
    return Parts(**known, other=max(0.0, rest))


def shared_window(record: Record) -> tuple[float, float] | None:
    """The time in which every rank was taking counting steps: early and late in the run some work alone."""
    if not record.ranks or any(not rank.steps.seconds for rank in record.ranks):
        return None
    begin = max(rank.steps.started[0] for rank in record.ranks)
    end = min(float(_ends(rank)[-1]) for rank in record.ranks)
    return (begin, end) if end > begin else None


def _ends(rank: Rank) -> Series:
    found: Series = np.array(rank.steps.started) + np.array(rank.steps.seconds)
    return found
