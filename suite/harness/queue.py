"""The runs of a sweep in their order, and those that were disturbed once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from suite.disturbance.judging import Quietest
from suite.experiment.plan import Planned
from suite.harness import again
from suite.harness.display import Display
from suite.harness.outline import Outline
from suite.record.schema import Record


class Queue:
    """The runs of a sweep in their order, then those that were disturbed once more, until they are quiet or it is enough.

    Only at the end is it known how quiet the machine can be, so that is when all runs are judged again, those of before the
    sweep was resumed, too.
    """

    def __init__(self, outline: Outline, display: Display) -> None:
        self._tuning, self._display = outline.tuning, display
        self._all = tuple(run for run in outline.plan.runs if run.position not in outline.left_out)
        self._runs = tuple(run for run in self._all if run.position not in outline.present)
        self._recorded = list(outline.recorded)
        results = [record for record in self._recorded if not record.failed]
        self._attempts = {run.position: [one for one in results if one.key == outline.key(run)] for run in self._all}

    def __iter__(self) -> Iterator[Planned]:
        for run in self._runs:
            self._judge_tuning([run])  # of what could not be tried to its end, too
            if not self._tuning.leaves_out(run):
                yield run
        for _ in range(again.CALMER):
            quietest = self._quietest
            restless = [run for run in self._all if again.all_disturbed(self._attempts[run.position], quietest)]
            self._display.again(restless)
            yield from restless

    def judged(self, run: Planned, record: Record) -> tuple[str, ...]:
        """What has disturbed this run, as far as can be told now."""
        self._attempts[run.position].append(record)
        self._recorded.append(record)
        self._tuning.add(record)
        self._judge_tuning([one for one in self._runs if self._tuning.decides(run, one) and self._tuning.settled(one)])
        return self._quietest.disturbances(record)

    def _judge_tuning(self, runs: Iterable[Planned]) -> None:
        for run in runs:
            self._display.known(run, not self._tuning.leaves_out(run))

    @property
    def _quietest(self) -> Quietest:
        return Quietest.of(self._recorded)
