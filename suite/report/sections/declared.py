"""Memory and bytes: what each algorithm declares, beside what was recorded and measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from suite.record.schema import Record
from suite.report import formats
from suite.report.arms import Arm, Group
from suite.report.charts.specification import Bar, BarPanel, Bars, Mark, Role
from suite.report.content import Block, Column, Entry, Figure, Table
from suite.report.floors import bytes_per_step
from suite.report.sections.wording import describe, value, varying
from suite.report.study import Experiment

MOST_PANELS = 16
LEAST_BARS = 8
# Counters of a kernel include headers, and what a run sends before and after its steps.
TOLERANCE = 0.05
MEASURED = Column(
    "memory_measured",
    "measured, copies",
    True,
    "most that was resident during the steps, beyond no_communication; only of runs that measure memory",
)
COLUMNS = (
    Column("algorithm", "algorithm"),
    Column("memory_declared", "memory declared, copies", True, "extra memory in copies of the parameters"),
    Column("memory_recorded", "recorded, copies", True, "held by the wrapper at the end"),
    MEASURED,
    Column("memory_verdict", "memory"),
    Column("bytes_declared", "sent declared, MB", True, "per exchange and rank, as a ring all-reduce", detail=True),
    Column("bytes_handed", "handed over, MB", True, "per exchange: what went to Horovod, on a ring", detail=True),
    Column("bytes_verdict", "bytes"),
    Column(
        "step_declared",
        "per step declared, MB",
        True,
        "per rank and step, so that rare exchanges count less",
        detail=True,
    ),
    Column(
        "step_kernel", "per step by the kernel, MB", True, "what the busiest host sent, headers and all", detail=True
    ),
    Column("peak", "memory peak", True, "of the largest rank", detail=True),
)
T = TypeVar("T")
Source = Literal["measured", "recorded"]
CAPTIONS: dict[Source, str] = {
    "measured": "Extra memory of each algorithm, in copies of the parameters, beside what it declares: the most that its "
    "process held during the steps that count, beyond the process of no_communication. Rounds work in pieces of 4 MB and "
    "need up to a dozen at once, however large the model is.",
    "recorded": "Extra memory of each algorithm at the end of training, in copies of the parameters, beside what it "
    "declares. What is in flight during training and has landed at the end is declared, but not recorded.",
}


def blocks(experiment: Experiment) -> Iterator[Block]:
    yield from pictures(experiment)
    axes = varying(group.setting for group in experiment.groups)
    rows = [
        (*(Entry(value(group.setting, axis), value(group.setting, axis)) for axis in axes), *row)
        for group in experiment.groups
        for arm in group.arms
        for row in [_row(arm, group)]
        if row is not None
    ]
    columns = tuple(Column(axis, axis) for axis in axes) + COLUMNS
    measured = columns.index(MEASURED)
    if all(row[measured].value is None for row in rows):
        columns, rows = _without(columns, measured), [_without(row, measured) for row in rows]
    if rows:
        yield Table(
            f"{experiment.slug}-declared",
            "Memory and bytes: what each algorithm declares and what was recorded.",
            columns,
            tuple(rows),
        )


def _without(row: tuple[T, ...], place: int) -> tuple[T, ...]:
    return row[:place] + row[place + 1 :]


def pictures(experiment: Experiment) -> Iterator[Figure]:
    """Where enough algorithms stand beside each other to make a picture worth it."""
    measured = any(_measured(arm, group) is not None for group in experiment.groups for arm in group.arms)
    source: Source = "measured" if measured else "recorded"
    axes = varying(group.setting for group in experiment.groups)
    panels = []
    for group in experiment.groups:
        bars = [bar for arm in group.arms for bar in [_bar(arm, group, source)] if bar is not None]
        if len(bars) >= LEAST_BARS and any(mark.at for bar in bars for mark in bar.marks):
            panels.append(BarPanel(describe(group.setting, axes) or "all runs", tuple(bars)))
    if panels:
        most = max((bar.parts[0] or 0.0, bar.label) for panel in panels for bar in panel.bars)
        yield Figure(
            f"{experiment.slug}-memory",
            CAPTIONS[source],
            f"{source.capitalize()} and declared memory per algorithm in {experiment.name}. Most {source}: "
            f"{formats.digits(most[0])} copies of the parameters, {most[1]}.",
            Bars(tuple(panels[:MOST_PANELS]), (source,), "copies of the parameters"),
        )


def _bar(arm: Arm, group: Group, source: Source) -> Bar | None:
    declared = _memory_declared(arm)
    amount = _measured(arm, group) if source == "measured" else _recorded(arm)
    if declared is None or amount is None:
        return None
    return Bar(arm.title, (max(0.0, amount),), (Mark(Role.DECLARED, declared),))


def _row(arm: Arm, group: Group) -> tuple[Entry, ...] | None:
    counted = arm.telemetry
    if not counted or arm.silent or arm.setting.workers == 1 or arm.setting.faults != "none":
        return None
    sent_declared, size = counted[0].bytes_per_exchange_declared, _parameter_bytes(arm)
    if not size or sent_declared is None:
        return None
    declared, recorded, measured = _memory_declared(arm), _recorded(arm), _measured(arm, group)
    # Real workers count what they hand to Horovod, virtual ones what a ring sends of it.
    ring = 1 if arm.setting.kind == "simulated" else 2 * (arm.setting.workers - 1) / arm.setting.workers
    handed = [one.bytes_sent / one.rounds * ring for one in counted if one.rounds]
    sent = float(np.median(handed)) if handed else None
    records = [run.record for run in arm.finished]
    peak = max((rank.memory_peak_bytes or 0 for record in records for rank in record.ranks), default=0)
    return (
        Entry(arm.title, arm.label, exact=arm.label),
        formats.number(declared),
        formats.number(recorded),
        formats.number(measured),
        _agreement(declared, recorded if measured is None else measured, 1.0),
        formats.number(sent_declared / 1e6),
        formats.number(None if sent is None else sent / 1e6),
        _agreement(sent_declared, sent, sent_declared),
        formats.number(_per_step(arm)),
        formats.number(_kernel(records)),
        formats.number(peak or None, formats.size(peak)),
    )


@dataclass(frozen=True)
class Copies:
    """Extra memory in copies of the parameters."""

    arm: Arm
    declared: float
    found: float | None

    @property
    def more(self) -> bool:
        return self.found is not None and self.found - self.declared > TOLERANCE * max(self.declared, 1.0)


def copies(arm: Arm, group: Group) -> Copies | None:
    declared = _memory_declared(arm)
    if declared is None or arm.setting.workers == 1:
        return None
    measured = _measured(arm, group)
    return Copies(arm, declared, _recorded(arm) if measured is None else measured)


def _agreement(declared: float | None, found: float | None, unit: float) -> Entry:
    """Within a twentieth of `unit`, or of what was declared where that is more."""
    if declared is None or found is None:
        return Entry(formats.DASH, None, "quiet")
    allowed = TOLERANCE * max(declared, unit)
    if abs(found - declared) <= allowed:
        return Entry("as declared", "as declared", "good")
    word = "more than declared" if found > declared else "less than declared"
    return Entry(word, word, "bad" if found > declared else "")


def _memory_declared(arm: Arm) -> float | None:
    counted = arm.telemetry
    return counted[0].memory_declared if counted and not arm.silent else None


def _recorded(arm: Arm) -> float | None:
    """What the wrappers counted when training was over."""
    size = _parameter_bytes(arm)
    held = [one.memory_bytes for one in arm.telemetry if one.memory_bytes is not None]
    return float(np.median(held)) / size if held and size and not arm.silent else None


def _measured(arm: Arm, group: Group) -> float | None:
    """Of other runs, what is resident says little: the C library and Horovod keep many MB for later."""
    size, alone = _parameter_bytes(arm), group.ceiling
    if alone is None or not size or not all(run.record.specification.measure_memory for run in arm.finished):
        return None
    here, there = _steady(arm), _steady(alone)
    return None if here is None or there is None else (here - there) / size


def _steady(arm: Arm) -> float | None:
    found = [
        rank.memory_steady_bytes if run.record.specification.device == "cpu" else rank.device_peak_bytes
        for run in arm.finished
        for rank in run.record.ranks
    ]
    known = [size for size in found if size is not None]
    return float(np.median(known)) if known else None


def _per_step(arm: Arm) -> float | None:
    found = [size for run in arm.finished for size in [bytes_per_step(run)] if size is not None]
    return float(np.median(found)) / 1e6 if found else None


def _kernel(records: Sequence[Record]) -> float | None:
    """While ranks trained; where they could not say, the whole run."""
    found = []
    for record in records:
        own = [rank.interface_bytes for rank in record.ranks if rank.interface_bytes is not None]
        whole = record.cluster.interface_bytes if record.cluster is not None else None
        sent = own or whole
        if sent:
            found.append(max(sent) / (record.specification.warmup + record.specification.steps) / 1e6)
    return float(np.median(found)) if found else None


def _parameter_bytes(arm: Arm) -> int | None:
    return arm.finished[0].record.ranks[0].parameter_bytes if arm.finished else None
