"""Every run, with how it ended and the command that repeats it."""

from __future__ import annotations

from dataclasses import replace

from suite.record.axes import AXES, Use, numeric, shown, shown_of, title
from suite.record.outcome import Failed
from suite.report import formats
from suite.report.arms import Arm, Run
from suite.report.content import Column, Entry, Table
from suite.report.sections.wording import SETTING, varying
from suite.report.study import Experiment

COUNTED = (
    Column("repetition", "repetition", True, detail=True),
    Column("environment", "environment", detail=True),
    Column("samples_per_second", "samples/s", True, "used work over time"),
    Column("step_ms", "step, ms", True, "time over steps of the whole job"),
    Column(
        "typical_ms",
        "typical step, ms",
        True,
        "the median step, which does not see the few that are longer",
        detail=True,
    ),
    Column("seconds", "seconds", True, "from launch to end", detail=True),
    Column("outcome", "outcome"),
    Column("warnings", "warnings", detail=True),
    Column("command", "repeat with", detail=True),
)


def table(experiment: Experiment) -> Table:
    axes = shown_of(run.record.labels for arm in experiment.arms for run in arm.runs)
    named = tuple(axis for axis in axes if axis != "algorithm")
    rows = tuple(_row(run, arm, named) for arm in experiment.arms for run in arm.runs)
    changing = varying(group.setting for group in experiment.groups)
    columns = tuple(
        replace(column, detail=True) if column.key in SETTING and column.key not in changing else column
        for column in (
            Column("algorithm", "algorithm"),
            Column("identity", "identity", detail=True),
            *(Column(axis, title(axis), numeric(axis), detail=AXES[axis].use is not Use.SETTING) for axis in named),
            *COUNTED,
        )
    )
    return Table(f"{experiment.slug}-runs", "Every run of this experiment.", columns, rows)


def _row(run: Run, arm: Arm, named: tuple[str, ...]) -> tuple[Entry, ...]:
    record, labels = run.record, run.record.labels
    message = record.outcome.message if isinstance(record.outcome, Failed) else ""
    return (
        Entry(arm.title, labels.contender, exact=labels.contender),
        Entry(record.identity[:12], record.identity, code=True),
        *(Entry(AXES[axis].text(label), label) for axis in named for label in [shown(labels, axis)]),
        Entry(str(record.repetition), record.repetition),
        Entry(arm.setting.environment, arm.setting.environment),
        *_speed(run, arm),
        Entry(f"{record.wall_seconds:.1f}", record.wall_seconds),
        Entry(run.ended, run.ended, "" if record.finished else "hole", message),
        Entry(warned := "; ".join((*record.warnings, *run.disturbed)), warned),
        Entry(record.command, record.command, code=True),
    )


def _speed(run: Run, arm: Arm) -> tuple[Entry, ...]:
    timing = None if arm.for_memory else run.timing
    if timing is None:
        return (formats.number(None),) * 3
    return (
        formats.number(arm.samples_per_step * timing.useful / timing.seconds),
        formats.number(timing.seconds * 1000),
        formats.number(timing.typical * 1000),
    )
