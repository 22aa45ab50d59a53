"""Every run, with how it ended and the command that repeats it."""

from __future__ import annotations

from suite.record.axes import AXES, SHOWN, numeric, shown, title
from suite.record.schema import Failed
from suite.report import formats
from suite.report.arms import Arm, Run
from suite.report.content import Column, Entry, Table
from suite.report.study import Experiment

COLUMNS = (
    Column("identity", "identity"),
    *(Column(axis, title(axis), numeric(axis)) for axis in SHOWN),
    Column("repetition", "repetition", True),
    Column("environment", "environment"),
    Column("samples_per_second", "samples/s", True, "used work over time"),
    Column("step_ms", "step, ms", True, "time over steps of the whole job"),
    Column("typical_ms", "typical step, ms", True, "the median step, which does not see the few that are longer"),
    Column("seconds", "seconds", True, "from launch to end"),
    Column("outcome", "outcome"),
    Column("warnings", "warnings"),
    Column("command", "repeat with"),
)


def table(experiment: Experiment) -> Table:
    rows = tuple(_row(run, arm) for arm in experiment.arms for run in arm.runs)
    return Table(f"{experiment.slug}-runs", "Every run of this experiment.", COLUMNS, rows, folded=True)


def _row(run: Run, arm: Arm) -> tuple[Entry, ...]:
    record, labels = run.record, run.record.labels
    message = record.outcome.message if isinstance(record.outcome, Failed) else ""
    return (
        Entry(record.identity[:12], record.identity, code=True),
        *(Entry(AXES[axis].text(label), label) for axis in SHOWN for label in [shown(labels, axis)]),
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
