"""What faults have cost: seconds until a job trained on, and samples that were drawn in vain."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from suite.record.recovery import Recovered, recovered
from suite.report import formats
from suite.report.arms import Arm
from suite.report.content import Column, Entry, Table
from suite.report.sections.wording import SETTING, entry, plural, varying
from suite.report.sections.wording import column as axis_column
from suite.report.study import Experiment

COLUMNS = (
    Column("algorithm", "algorithm"),
    Column("recovered", "recovered", help="runs that went on, of all"),
    Column(
        "recover_seconds", "to recover, s", True, "median, from the fault to the first step after it; least to most"
    ),
    Column("notice_seconds", "to notice, s", True, "median, until the last of those who stay had noticed"),
    Column("gloo_timeout_seconds", "Gloo's timeout, s", True, "for workers that wait for each other"),
    Column("samples_lost", "samples lost", True, "median: drawn and not committed, by those who stay or were killed"),
)


def faulty(experiment: Experiment) -> list[Arm]:
    """The arms whose workers changed, or were to."""
    return [arm for arm in experiment.arms if arm.setting.faults != "none"]


def costs(arm: Arm) -> list[Recovered]:
    return [one for run in arm.runs for one in [recovered(run.record)] if one is not None]


def answer(arms: Sequence[Arm]) -> str:
    runs = sum(len(arm.runs) for arm in arms)
    found = [cost for arm in arms for cost in costs(arm)]
    if not found:
        return f"No answer: none of {plural(runs, 'run')} with a fault went on."
    seconds = _range([formats.digits(cost.seconds) for cost in sorted(found, key=lambda cost: cost.seconds)])
    samples = _range([str(lost) for lost in sorted(cost.samples_lost for cost in found)])
    return f"{len(found)} of {plural(runs, 'run')} went on after a fault: in {seconds} s, with {samples} samples lost."


def _range(ascending: Sequence[str]) -> str:
    first, last = ascending[0], ascending[-1]
    return first if first == last else f"{first} to {last}"


def table(experiment: Experiment, arms: Sequence[Arm]) -> Table:
    axes = varying((arm.setting for arm in arms), SETTING)
    shown = axes if "faults" in axes else ("faults", *axes)
    rows = tuple((*(entry(arm.setting, axis) for axis in shown), *_row(arm)) for arm in arms)
    columns = (*(axis_column(axis) for axis in shown), *COLUMNS)
    caption = "What faults have cost. Who waits for another notices at Gloo's timeout at the latest."
    return Table(f"{experiment.slug}-main", caption, columns, rows)


def _row(arm: Arm) -> tuple[Entry, ...]:
    found = costs(arm)
    went_on = f"{len(found)} of {len(arm.runs)}"
    return (
        Entry(arm.title, arm.label, exact=arm.label),
        Entry(went_on, len(found), "" if len(found) == len(arm.runs) else "hole"),
        _spread([one.seconds for one in found]),
        _spread([one.notice_seconds for one in found]),
        _count(_timeout(arm)),
        _count(statistics.median(one.samples_lost for one in found) if found else None),
    )


def _count(value: float | None) -> Entry:
    return formats.number(value, None if value is None else f"{value:g}")


def _timeout(arm: Arm) -> int | None:
    clusters = [run.record.cluster for run in arm.runs if run.record.cluster is not None]
    said = [one.asked.get("gloo_timeout_seconds") for one in clusters]
    return next((value for value in said if isinstance(value, int)), None)


def _spread(values: Sequence[float]) -> Entry:
    if not values:
        return formats.number(None)
    middle = statistics.median(values)
    text = formats.digits(middle)
    if len(values) == 2:  # nothing lies between a fault that is noticed at once and one at a timeout
        text = " and ".join(formats.digits(value) for value in sorted(values))
    elif len(values) > 2:
        text += f" ({formats.digits(min(values))} to {formats.digits(max(values))})"
    return formats.number(middle, text)
