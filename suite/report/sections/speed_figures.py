"""Speed in pictures: speed-ups with what they stand beside, and where the time of a step goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from suite.report.arms import Arm, Group
from suite.report.charts.specification import Bar, BarPanel, Bars, Mark, Role
from suite.report.content import Figure
from suite.report.formats import digits
from suite.report.sections.wording import describe, plural, varying
from suite.report.study import Experiment, Study
from suite.report.timing import Parts

PARTS = (
    "compute",
    "straggler's delay",
    "exposed communication",
    "waiting for ranks",
    "vote",
    "update",
    "not told apart",
)
MOST_PANELS = 8


def speedups(experiment: Experiment, study: Study) -> Iterator[Figure]:
    """One dot per algorithm and setting, in multiples of synchronous training."""
    able = [group for group in experiment.groups if group.reference is not None and study.of(group.reference).step]
    for number, groups in enumerate(_portions(able), start=1):
        axes = varying(group.setting for group in experiment.groups)
        panels = [
            BarPanel(describe(group.setting, axes) or "all runs", tuple(_speedup(group, study))) for group in groups
        ]
        filled = tuple(panel for panel in panels if panel.bars)
        if not filled:
            continue
        best = max((bar.parts[0] or 0.0, bar.label, panel.title) for panel in filled for bar in panel.bars)
        yield Figure(
            f"{experiment.slug}-speedup{_suffix(number)}",
            "How many times as fast as plain synchronous training (the line at 1): work over time, with 95 % intervals, "
            "which for a single run do not know how runs differ. Marks on each row: "
            "the control, the ceiling, and the algorithm's own floor, which it cannot pass.",
            f"Speed-up over synchronous training per algorithm in {plural(len(filled), 'setting')} of {experiment.name}. "
            f"The highest is {digits(best[0])} for {best[1]} ({best[2]}).",
            Bars(filled, ("speed",), "× synchronous", dots=True, level=1.0),
        )


def decomposition(experiment: Experiment, study: Study) -> Iterator[Figure]:
    for number, groups in enumerate(_portions(_by_panel(experiment.groups)), start=1):
        axes = varying(group.setting for group in experiment.groups)
        panels = tuple(
            BarPanel(describe(group.setting, axes) or "all runs", tuple(_steps(group, study))) for group in groups
        )
        filled = tuple(panel for panel in panels if panel.bars)
        if not filled:
            continue
        worst = max((_exposed(bar), bar.label, panel.title) for panel in filled for bar in panel.bars)
        within = (
            " Without an update of its own, compute holds it, too: a traced TensorFlow step does not tell them apart."
        )
        traced = any(_update_in_compute(arm) for group in groups for arm in group.arms)
        yield Figure(
            f"{experiment.slug}-parts{_suffix(number)}",
            "Where a step's time goes, averaged over the steps and ranks that its speed counts. Where nobody could tell "
            "waiting and wire apart, both are in exposed communication. Marks: the ceiling and each algorithm's floor."
            + (within if traced else ""),
            f"Time per step in parts, per algorithm, in {plural(len(filled), 'setting')} of {experiment.name}. Most "
            f"exposed communication: {digits(worst[0])} ms, {worst[1]} ({worst[2]}).",
            Bars(filled, PARTS, "ms per step"),
        )


def _speedup(group: Group, study: Study) -> Iterator[Bar]:
    reference, control, ceiling = group.reference, group.control, group.ceiling
    if reference is None:
        return
    base = study.of(reference).step
    beside = [
        Mark(role, found.ratio.value)
        for role, arm in ((Role.CONTROL, control), (Role.CEILING, ceiling))
        if arm is not None
        for found in [study.of(arm).over_reference]
        if found is not None
    ]
    for arm in group.arms:
        if arm is reference or arm is ceiling:
            continue
        found = study.of(arm)
        if found.over_reference is None or base is None:
            continue
        ratio = found.over_reference.ratio
        floor = None if found.floor is None else found.floor.seconds
        marks = [*beside, *([Mark(Role.FLOOR, base.value / floor)] if floor else [])]
        known = ratio.known and ratio.low > 0
        low, high = (ratio.low, ratio.high) if known and ratio.high < 20 * ratio.value else (None, None)
        yield Bar(arm.title, (ratio.value,), tuple(marks), low, high)


def _steps(group: Group, study: Study) -> Iterator[Bar]:
    ceiling = study.of(group.ceiling).step if group.ceiling is not None else None
    for arm in group.arms:
        found = _mean(run.parts for run in arm.timed)
        if found is None:
            continue
        floor = study.of(arm).floor
        marks = [Mark(Role.CEILING, ceiling.value * 1000)] if ceiling is not None else []
        if floor is not None and floor.seconds is not None:
            marks.append(Mark(Role.FLOOR, floor.seconds * 1000))
        yield Bar(arm.title, found, tuple(marks))


def _mean(several: Iterable[Parts | None]) -> tuple[float | None, ...] | None:
    """Milliseconds in the order of PARTS, averaged over runs; a part that not all runs know is with what is unknown."""
    those = [one for one in several if one is not None]
    if not those:
        return None
    columns = [(one.compute, one.injected, one.exposed, one.wait, one.vote, one.update) for one in those]
    parts: list[float | None] = []
    unknown = sum(one.other for one in those) / len(those)
    for values in zip(*columns, strict=True):
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            parts.append(sum(known) / len(known) * 1000)
        else:
            unknown += sum(known) / len(those)
            parts.append(None)
    return (*parts, unknown * 1000)


def _update_in_compute(arm: Arm) -> bool:
    those = [run.parts for run in arm.timed if run.parts is not None]
    return any(one.update is None and one.compute is not None for one in those)


def _exposed(bar: Bar) -> float:
    return bar.parts[PARTS.index("exposed communication")] or 0.0


def _by_panel(groups: Iterable[Group]) -> list[Group]:
    return [group for group in groups if any(run.parts is not None for arm in group.arms for run in arm.runs)]


def _portions(groups: list[Group]) -> Iterator[list[Group]]:
    """Settings of one framework and model stay together; a figure holds a few of them at most."""
    kept: list[Group] = []
    for group in groups:
        same = not kept or (kept[-1].setting.framework, kept[-1].setting.model) == (
            group.setting.framework,
            group.setting.model,
        )
        if len(kept) == MOST_PANELS or (not same and len(groups) > MOST_PANELS):
            yield kept
            kept = []
        kept.append(group)
    if kept:
        yield kept


def _suffix(number: int) -> str:
    return "" if number == 1 else f"-{number}"


def timed(arms: Iterable[Arm]) -> list[Arm]:
    return [arm for arm in arms if arm.timed]
