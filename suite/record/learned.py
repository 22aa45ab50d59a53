"""How far training came: what runs needed to reach their targets, and which of several ways to tune them is the best.

The best is the one with which the highest target took the fewest samples. A run that never reached a target counts as
longer than all that did. So does one that diverged, whatever it had reached before: nothing of it is left.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from suite.record.schema import Reached, Record

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


def counts(record: Record) -> bool:
    """Whether it says something about targets: evaluated to its end, or diverged. Others are holes, not failures."""
    return diverged(record) or (record.finished and bool(record.evaluations))


def finals(records: Iterable[Record]) -> tuple[float, ...]:
    """The last accuracy of every run that came to an evaluation and did not diverge."""
    return tuple(record.evaluations[-1].top1 for record in records if record.evaluations and not diverged(record))


def diverged(record: Record) -> bool:
    return record.outcome.status == "diverged"


def efforts(records: Sequence[Record]) -> tuple[Effort, ...]:
    """Of runs that were tuned alike, to each of their targets."""
    counted = [record for record in records if counts(record)]
    return tuple(_effort(counted, target) for target in (records[0].specification.targets if counted else ()))


def reached(record: Record, target: float) -> Reached | None:
    return next((one for one in record.reached if math.isclose(one.target, target) and not diverged(record)), None)


def badness(records: Sequence[Record]) -> tuple[float, ...]:
    """Of runs that were tuned alike: the least is the best."""
    found, ends = efforts(records), finals(records)
    lost = sum(diverged(record) for record in records)
    holes = sum(not counts(record) for record in records)
    untold = not found and bool(records[0].specification.targets)
    accuracy = statistics.median(ends) if ends else 0.0
    return (float(untold), *(one.samples for one in reversed(found)), float(holes + lost), -accuracy)


def _effort(runs: Sequence[Record], target: float) -> Effort:
    found = [reached(run, target) for run in runs]

    def middle(measure: str) -> float:
        # The median of values some of which are infinite, without meeting inf - inf.
        ordered = sorted(math.inf if one is None else float(getattr(one, measure)) for one in found)
        half = len(ordered) // 2
        low, high = ordered[half - 1 if len(ordered) % 2 == 0 else half], ordered[half]
        return math.inf if math.isinf(high) else (low + high) / 2

    return Effort(target, len(runs), sum(one is not None for one in found), *(middle(name) for name in MEASURES))
