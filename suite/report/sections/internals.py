"""What the wrappers counted: staleness, contributions per rank, and memory and bytes beside what was declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from suite.report import formats
from suite.report.arms import Arm
from suite.report.charts.specification import Bar, BarPanel, Bars, CountPanel, Counts, Mark, Role
from suite.report.content import Block, Column, Entry, Figure, Table
from suite.report.floors import SILENT, bytes_per_step
from suite.report.sections.wording import describe, value, varying
from suite.report.study import Experiment
from suite.run.record import Record, Telemetry

MOST_PANELS = 16
LEAST_BARS = 8
# Counters of a kernel include headers, and what a run sends before and after its steps.
TOLERANCE = 0.05
DECLARED = (
    Column("algorithm", "algorithm"),
    Column("memory_declared", "memory declared, copies", True, "extra memory in copies of the parameters"),
    Column("memory_recorded", "recorded, copies", True, "held by the wrapper at the end"),
    Column("memory_verdict", "memory"),
    Column("bytes_declared", "sent declared, MB", True, "per exchange and rank, as a ring all-reduce"),
    Column("bytes_handed", "handed over, MB", True, "per exchange: what went to Horovod, on a ring"),
    Column("bytes_verdict", "bytes"),
    Column("step_declared", "per step declared, MB", True, "per rank and step, so that rare exchanges count less"),
    Column("step_kernel", "per step by the kernel, MB", True, "what the busiest host sent, headers and all"),
    Column("peak", "memory peak", True, "of the largest rank"),
)


def blocks(experiment: Experiment) -> Iterator[Block]:
    yield from staleness(experiment)
    yield from contributions(experiment)
    yield from declared(experiment)


def staleness(experiment: Experiment) -> Iterator[Figure]:
    """Only where staleness varies: a delay that is always the same is in the claims, not worth a picture."""
    panels = []
    for title, arm in _titled(experiment):
        counts: Counter[int] = Counter()
        for one in _telemetry(arm):
            counts.update(one.staleness)
        total = sum(counts.values())
        if total and sum(count > 0 for count in counts.values()) > 1:
            ages = tuple(range(max(counts) + 1))
            panels.append((title, ages, tuple(counts[age] / total for age in ages)))
    if not panels:
        return
    shown = panels[:MOST_PANELS]
    means = {title: sum(age * share for age, share in zip(ages, row, strict=True)) for title, ages, row in shown}
    most = max(means, key=lambda title: means[title])
    yield Figure(
        f"{experiment.slug}-staleness",
        "How many rounds old gradients were when they were applied, as a share of all that were applied."
        + _left_out(len(panels)),
        f"Staleness histograms of {len(shown)} algorithms and settings in {experiment.name}. Highest mean: "
        f"{formats.digits(means[most])} rounds, {most}.",
        Counts(
            tuple(CountPanel(title, ages, (row,)) for title, ages, row in shown),
            ("recorded",),
            "rounds old",
            "share",
        ),
    )


def contributions(experiment: Experiment) -> Iterator[Figure]:
    """Per rank, where ranks differ or something was dropped."""
    panels = []
    for title, arm in _titled(experiment):
        used, dropped = _per_rank(arm)
        if not used:
            continue
        uneven = max(used) - min(used) > 0.05 * max(used)
        if uneven or any(dropped):
            panels.append(CountPanel(title, tuple(range(len(used))), (tuple(used), tuple(dropped))))
    if not panels:
        return
    shown = tuple(panels[:MOST_PANELS])
    lost = sum(sum(panel.parts[1]) for panel in shown) / max(1.0, sum(sum(map(sum, panel.parts)) for panel in shown))
    yield Figure(
        f"{experiment.slug}-contributions",
        "Contributions of each rank that were used and dropped, averaged over runs; only where ranks differ."
        + _left_out(len(panels)),
        f"Contributions per rank of {len(shown)} algorithms and settings in {experiment.name}; {lost:.0%} of those shown "
        "were dropped.",
        Counts(shown, ("used", "dropped"), "rank", "contributions", same_x=False),
    )


def declared(experiment: Experiment) -> Iterator[Block]:
    yield from _memory(experiment)
    axes = varying(group.setting for group in experiment.groups)
    rows = [
        (*(Entry(value(group.setting, axis), value(group.setting, axis)) for axis in axes), *row)
        for group in experiment.groups
        for arm in group.arms
        for row in [_declared(arm)]
        if row is not None
    ]
    if rows:
        columns = tuple(Column(axis, axis) for axis in axes) + DECLARED
        yield Table(
            f"{experiment.slug}-declared",
            "Memory and bytes: what each algorithm declares and what was recorded.",
            columns,
            tuple(rows),
            folded=True,
        )


def _memory(experiment: Experiment) -> Iterator[Figure]:
    """Where enough algorithms stand beside each other to make a picture worth it."""
    axes = varying(group.setting for group in experiment.groups)
    panels = []
    for group in experiment.groups:
        bars = [bar for arm in group.arms for bar in [_copies(arm)] if bar is not None]
        if len(bars) >= LEAST_BARS and any(mark.at for bar in bars for mark in bar.marks):
            panels.append(BarPanel(describe(group.setting, axes) or "all runs", tuple(bars)))
    if panels:
        most = max((bar.parts[0] or 0.0, bar.label) for panel in panels for bar in panel.bars)
        yield Figure(
            f"{experiment.slug}-memory",
            "Extra memory of each algorithm at the end of training, in copies of the parameters, beside what it declares. "
            "What is in flight during training and has landed at the end is declared, but not recorded.",
            f"Recorded and declared memory per algorithm in {experiment.name}. Most recorded: {formats.digits(most[0])} "
            f"copies of the parameters, {most[1]}.",
            Bars(tuple(panels[:MOST_PANELS]), ("recorded",), "copies of the parameters"),
        )


def _copies(arm: Arm) -> Bar | None:
    counted = _telemetry(arm)
    size = arm.finished[0].record.ranks[0].parameter_bytes if arm.finished else None
    held = [one.memory_bytes for one in counted if one.memory_bytes is not None]
    if arm.name in SILENT or not size or not held or counted[0].memory_declared is None:
        return None
    return Bar(arm.label, (float(np.median(held)) / size,), (Mark(Role.DECLARED, counted[0].memory_declared),))


def _declared(arm: Arm) -> tuple[Entry, ...] | None:
    records = [run.record for run in arm.finished]
    if not records or arm.name in SILENT or arm.setting.workers == 1:
        return None
    counted = [one for record in records for one in _counted(record)]
    size = records[0].ranks[0].parameter_bytes
    said = counted[0].bytes_per_exchange_declared if counted else None
    if not counted or not size or said is None:
        return None
    copies = [one.memory_bytes / size for one in counted if one.memory_bytes is not None]
    ring = 2 * (arm.setting.workers - 1) / arm.setting.workers
    handed = [one.bytes_sent / one.rounds * ring for one in counted if one.rounds]
    held = float(np.median(copies)) if copies else None
    sent = float(np.median(handed)) if handed else None
    peak = max((rank.memory_peak_bytes or 0 for record in records for rank in record.ranks), default=0)
    return (
        Entry(arm.label, arm.label),
        formats.number(counted[0].memory_declared),
        formats.number(held),
        _agreement(counted[0].memory_declared, held, 1.0),
        formats.number(said / 1e6),
        formats.number(None if sent is None else sent / 1e6),
        _agreement(said, sent, said),
        formats.number(_per_step(arm)),
        formats.number(_kernel(records)),
        formats.number(peak or None, formats.size(peak)),
    )


def _agreement(said: float | None, found: float | None, unit: float) -> Entry:
    """Within a twentieth of `unit`, or of what was said where that is more."""
    if said is None or found is None:
        return Entry(formats.DASH, None, "quiet")
    allowed = TOLERANCE * max(said, unit)
    if abs(found - said) <= allowed:
        return Entry("as declared", "as declared", "good")
    word = "more than declared" if found > said else "less than declared"
    return Entry(word, word, "bad" if found > said else "")


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


def _per_rank(arm: Arm) -> tuple[list[float], list[float]]:
    runs = [run.record for run in arm.finished if len(_counted(run.record)) == arm.setting.workers]
    if not runs or arm.name in SILENT:
        return [], []
    used = np.mean([[one.contributions_used for one in _counted(record)] for record in runs], axis=0)
    dropped = np.mean([[one.contributions_lost for one in _counted(record)] for record in runs], axis=0)
    return (used.tolist(), dropped.tolist()) if used.max() > 0 else ([], [])


def _titled(experiment: Experiment) -> Iterator[tuple[str, Arm]]:
    axes = varying(group.setting for group in experiment.groups)
    for group in experiment.groups:
        where = describe(group.setting, axes)
        for arm in group.arms:
            yield (f"{arm.label}, {where}" if where else arm.label), arm


def _telemetry(arm: Arm) -> list[Telemetry]:
    return [one for run in arm.finished for one in _counted(run.record)]


def _counted(record: Record) -> list[Telemetry]:
    return [rank.telemetry for rank in record.ranks if rank.telemetry is not None]


def _left_out(count: int) -> str:
    return "" if count <= MOST_PANELS else f" The first {MOST_PANELS} of {count}; the records hold all."
