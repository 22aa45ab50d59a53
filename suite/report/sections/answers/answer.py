"""An experiment's answer: one sentence with its numbers, one picture, one table of few rows."""

from __future__ import annotations

from dataclasses import dataclass

from suite.report.content import Figure, Table
from suite.report.landing.number import Number
from suite.report.sections.wording import plural
from suite.report.study import Experiment

MOST_ROWS = 8


@dataclass(frozen=True)
class Main:
    answer: str
    numbers: tuple[Number, ...] = ()
    figure: Figure | None = None
    table: Table | None = None


def nothing(experiment: Experiment) -> str:
    runs = [run for arm in experiment.arms for run in arm.runs]
    finished = sum(run.record.finished for run in runs)
    if not finished:
        return (
            f"No answer: none of {plural(len(runs), 'run')} finished. Run it again: farandole bench {experiment.name}"
        )
    return (
        f"No answer yet: {finished} of {plural(len(runs), 'run')} finished, but no algorithm beside synchronous training. "
        f"The whole experiment is farandole bench {experiment.name}"
    )
