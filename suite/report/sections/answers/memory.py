"""How much memory: who holds the most copies of the parameters."""

from __future__ import annotations

import math

from suite.report import formats
from suite.report.content import Column, Entry, Table
from suite.report.landing.number import Number
from suite.report.sections import declared
from suite.report.sections.answers.answer import MOST_ROWS, Main, nothing
from suite.report.sections.wording import describe, plural, value, varying
from suite.report.study import Experiment
from suite.statistics import Interval

MEMORY = (
    Column("algorithm", "algorithm"),
    Column("declared", "declared, copies", True, "extra memory in copies of the parameters"),
    Column("found", "found, copies", True, "measured while training where that was done, else held at the end"),
)


def memory(experiment: Experiment) -> Main:
    rows = [row for group in experiment.groups for arm in group.arms for row in [declared.copies(arm, group)] if row]
    figure = next(iter(declared.pictures(experiment)), None)
    if not rows:
        return Main(nothing(experiment), figure=figure)
    axes = varying(group.setting for group in experiment.groups)
    ranked = sorted(rows, key=lambda row: -(row.found if row.found is not None else row.declared))
    more = [row for row in rows if row.more]
    most = ranked[0]
    amount = most.found if most.found is not None else most.declared
    place = describe(most.arm.setting, axes)
    number = Number("copies of the parameters", most.arm, Interval(amount, -math.inf, math.inf, 0.95, 1))
    answer = f"Up to {number.middle} copies of the parameters: {most.arm.title}{f' ({place})' if place else ''}."
    shown = tuple(
        (
            *(Entry(value(row.arm.setting, axis), value(row.arm.setting, axis)) for axis in axes),
            Entry(row.arm.title, row.arm.label, exact=row.arm.label),
            formats.number(row.declared),
            formats.number(row.found),
        )
        for row in ranked[:MOST_ROWS]
    )
    caption = "Extra memory, the most first." if len(ranked) <= MOST_ROWS else f"Extra memory, the most {MOST_ROWS}."
    columns = (*(Column(axis, axis) for axis in axes), *MEMORY)
    caption += f" {len(more)} of {plural(len(rows), 'case')} hold more than they declare."
    return Main(answer, (number,), figure, Table(f"{experiment.slug}-main", caption, columns, shown))
