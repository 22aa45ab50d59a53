"""What became of predictions that were sealed before the runs that test them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from suite.record.schema import Record
from suite.record.sealed import Expectation, Sealed
from suite.report.timing import useful_seconds


@dataclass(frozen=True)
class Outcome:
    """An expectation beside what was recorded later."""

    expectation: Expectation
    observed: tuple[float, ...]  # of every run
    early: bool  # recorded before it was sealed: proves nothing

    @property
    def recorded(self) -> float | None:
        """The mean of the runs, in which half and twice as long weigh the same."""
        return float(np.exp(np.mean(np.log(self.observed)))) if self.observed else None

    @property
    def error(self) -> float | None:
        """Signed, as a share of the mean of the runs."""
        return self._against(self.expectation.seconds)

    @property
    def floor_error(self) -> float | None:
        return self._against(self.expectation.floor)

    @property
    def line_error(self) -> float | None:
        return self._against(self.expectation.line)

    @property
    def inside(self) -> int:
        """Runs within the interval."""
        one = self.expectation
        if one.low is None or one.high is None:
            return 0
        return sum(one.low <= seconds <= one.high for seconds in self.observed)

    def _against(self, seconds: float | None) -> float | None:
        recorded = self.recorded
        return None if seconds is None or recorded is None else seconds / recorded - 1


def check(sealed: Sealed, records: Iterable[Record]) -> list[Outcome]:
    """All that was expected, whatever came of it."""
    seconds: Mapping[str, list[float]] = defaultdict(list)
    early: set[str] = set()
    for record in records:
        took = useful_seconds(record)
        if took is not None:
            seconds[record.identity].append(took)
            if record.created < sealed.created:
                early.add(record.identity)
    return [Outcome(one, tuple(seconds.get(one.identity, ())), one.identity in early) for one in sealed.expectations]


@dataclass(frozen=True)
class Verdict:
    """Over all that can be compared."""

    compared: int
    median: float
    worst: float
    inside: float  # share of runs in their interval
    floor_median: float  # errors of the bytes over the stated rate, of the same runs
    line_median: float | None  # and of straight lines, where there are some
    lines: int


def verdict(outcomes: Iterable[Outcome]) -> Verdict | None:
    found = [one for one in outcomes if one.error is not None and not one.early]
    if not found:
        return None
    errors = [abs(one.error or 0.0) for one in found]
    floors = [abs(one.floor_error or 0.0) for one in found]
    lines = [abs(one.line_error) for one in found if one.line_error is not None]
    runs = sum(len(one.observed) for one in found)
    return Verdict(
        len(found),
        float(np.median(errors)),
        max(errors),
        sum(one.inside for one in found) / runs,
        float(np.median(floors)),
        float(np.median(lines)) if lines else None,
        len(lines),
    )
