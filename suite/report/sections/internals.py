"""What the wrappers counted: staleness, and contributions per rank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from suite.record.rank import Telemetry
from suite.record.schema import Record
from suite.report import formats
from suite.report.arms import Arm
from suite.report.charts.specification import CountPanel, Counts
from suite.report.content import Block, Figure
from suite.report.sections.wording import describe, varying
from suite.report.study import Experiment

MOST_PANELS = 16


def blocks(experiment: Experiment) -> Iterator[Block]:
    yield from staleness(experiment)
    yield from contributions(experiment)


def staleness(experiment: Experiment) -> Iterator[Figure]:
    """Only where staleness varies: a delay that is always the same is in the claims, not worth a picture."""
    panels = []
    for title, arm in _titled(experiment):
        counts: Counter[int] = Counter()
        for one in arm.telemetry:
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


def _per_rank(arm: Arm) -> tuple[list[float], list[float]]:
    runs = [run.record for run in arm.finished if len(_counted(run.record)) == arm.setting.workers]
    if not runs or arm.silent:
        return [], []
    used = np.mean([[one.contributions_used for one in _counted(record)] for record in runs], axis=0)
    dropped = np.mean([[one.contributions_lost for one in _counted(record)] for record in runs], axis=0)
    return (used.tolist(), dropped.tolist()) if used.max() > 0 else ([], [])


def _titled(experiment: Experiment) -> Iterator[tuple[str, Arm]]:
    axes = varying(group.setting for group in experiment.groups)
    for group in experiment.groups:
        where = describe(group.setting, axes)
        for arm in group.arms:
            yield (f"{arm.title}, {where}" if where else arm.title), arm


def _counted(record: Record) -> list[Telemetry]:
    return [rank.telemetry for rank in record.ranks if rank.telemetry is not None]


def _left_out(count: int) -> str:
    return "" if count <= MOST_PANELS else f" The first {MOST_PANELS} of {count}; the records hold all."
