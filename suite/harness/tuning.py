"""Which runs are worth doing once it is known how each contender is best tuned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from suite.experiment.plan import Plan, Planned
from suite.record import learned
from suite.record.axes import Use
from suite.record.schema import Record


class Tuning:
    """Told what has been recorded; asked about runs that follow others, in which every learning rate was tried."""

    def __init__(self, plan: Plan, records: Iterable[Record] = ()) -> None:
        self._plan = plan
        self._known: dict[str, list[Record]] = {run.identity: [] for tried in plan.tuning.values() for run in tried}
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        if record.identity in self._known and learned.counts(record):
            self._known[record.identity].append(record)

    def leaves_out(self, run: Planned) -> bool:
        """Whether another value was better. Not as long as nothing is known: a run may be asked for alone."""
        values: dict[tuple[Any, ...], list[Record]] = {}
        for tried in self._plan.tried(run):
            if known := self._known[tried.identity]:
                values.setdefault(tried.labels.only(Use.TUNED), []).extend(known)
        best = min(sorted(values), key=lambda value: learned.badness(values[value]), default=None)
        return best is not None and run.labels.only(Use.TUNED) != best

    def decides(self, tried: Planned, run: Planned) -> bool:
        """Whether what becomes of the one says something about the other."""
        return any(one.identity == tried.identity for one in self._plan.tried(run))

    def settled(self, run: Planned) -> bool:
        """Whether nothing that would be recorded yet could change what is said of this run."""
        return all(self._known[tried.identity] for tried in self._plan.tried(run))
