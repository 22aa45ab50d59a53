"""Small studies for the tests of the report."""

from __future__ import annotations

from collections.abc import Sequence

from suite.record.schema import Record
from suite.report.arms import Group, Run
from suite.report.build import report
from suite.report.content import Report
from suite.report.evidence import Evidence, of_records
from suite.report.study import Study, study
from suite.report.timing import Timing
from suite.statistics import Series
from tests.report import scripted


def quick(*only: str, world: scripted.World | None = None, repetitions: int = 3) -> tuple[Record, ...]:
    """PyTorch and AlexNet of the experiment `quick`: seven algorithms."""
    chosen = only or ("framework=torch", "model=AlexNet")
    return scripted.records("quick", *chosen, world=world, repetitions=repetitions)


def delay(world: scripted.World | None = None) -> tuple[Record, ...]:
    """Training on two workers towards accuracies: two algorithms, two learning rates, three seeds."""
    return scripted.records("delay", "algorithm=synchronous", "algorithm=delayed(steps=1)", world=world)


def studied(*records: Record) -> Study:
    return study(of_records(records))


def reported(*records: Record) -> Report:
    return report(of_records(records))


def only_group(found: Study) -> Group:
    (experiment,) = found.experiments
    (group,) = experiment.groups
    return group


def evidence(records: Sequence[Record]) -> Evidence:
    return of_records(tuple(records))


def run(record: Record, *, step: float, count: int = 12) -> Run:
    """A run whose steps took exactly so long."""
    made = Run(record)
    made.__dict__["timing"] = Timing(Series((step,) * count), 1.0)
    return made
