"""The answer, for a reader who has one minute: which algorithm won where, by how much, how sure, at what cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from suite.report import formats
from suite.report.arms import KINDS, Group
from suite.report.content import Block, Column, Entry, Level, Notice, Points, Section, Table
from suite.report.convergence import Tuned, converges, ratio, tuned
from suite.report.sections.speed import ratio_entry
from suite.report.sections.wording import describe, plural, varying
from suite.report.study import Experiment, Study
from suite.report.winners import Winner, undecided, winners
from suite.statistics import Verdict

MOST_ROWS = 12  # a longer table is folded, so that the answer stays in sight
COLUMNS = (
    Column("experiment", "experiment"),
    Column("setting", "setting"),
    Column("fastest", "fastest"),
    Column("speedup", "× synchronous", True),
    Column("over_control", "× stock Horovod", True),
    Column("efficiency", "of the ceiling", True),
    Column("sure", "how sure"),
    Column("cost", "samples to the same accuracy, × synchronous (measured)", True),
)


@dataclass(frozen=True)
class Cost:
    """What an algorithm needs in samples, beside synchronous training, in one convergence experiment."""

    text: str
    value: float | None
    experiment: str
    target: float


def section(study: Study) -> Section:
    costs = _costs(study)
    blocks: list[Block] = []
    points: list[tuple[str, str]] = []
    tables: list[Table] = []
    for kind in KINDS:
        won = winners(study, kind)
        if won:
            points += _speed(kind, won)
            tables.append(_table(kind, won, costs))
        open_ = undecided(study, kind)
        if open_:
            points.append((f"{kind.capitalize()}, unknown:", _unknown(open_, bool(won))))
    points += _convergence(study)
    if points:
        blocks.append(Points(tuple(points)))
    else:
        text = "No setting has two finished algorithms to compare, and none was trained to an accuracy."
        blocks.append(Notice(Level.HOLE, text))
    blocks += _doubts(study)
    return Section("answer", "The answer", (*blocks, *tables))


def _speed(kind: str, won: Sequence[Winner]) -> Iterator[tuple[str, str]]:
    calm = [one for one in won if one.group.setting.straggler == "none"]
    slow = [one for one in won if one.group.setting.straggler != "none"]
    for those, where in ((calm, ""), (slow, " with stragglers")):
        if those:
            yield f"{kind.capitalize()}{where}:", _sentence(those)


def _unknown(count: int, others: bool) -> str:
    return (
        f"which algorithm is fastest in {plural(count, 'other setting' if others else 'setting')}, where the fastest ran "
        "once, or not beside every other one: one run is no distribution."
    )


def _sentence(won: Sequence[Winner]) -> str:
    """Who leads: alone, or not distinguishable from the fastest. Ties would make a mere count of firsts a lottery."""
    ran = Counter(arm.label for one in won for arm in one.choices)
    led = Counter(arm.label for one in won for arm in one.leaders)
    alone = Counter(one.arm.label for one in won if one.alone)
    ordered = sorted(led, key=lambda label: (-led[label], ran[label], label))
    best = ordered[0]
    if len(won) == 1:
        text = f"{' and '.join(ordered[:3])} led in the one setting there is"
    else:
        names = [f"{label} in {_of(led[label], ran[label])} it ran in" for label in ordered[:3]]
        text = f"fastest, or not distinguishable from the fastest: {'; '.join(names)}"
    text += _range([one for one in won if best in {arm.label for arm in one.leaders}], best)
    sole = sum(alone.values())
    who = ", ".join(f"{label} {count}×" for label, count in alone.most_common(3))
    text += f" One algorithm was clearly ahead of all others in {sole} of {plural(len(won), 'setting')}"
    return text + (f" ({who})." if who else ".")


def _of(led: int, ran: int) -> str:
    return f"{led} of the {ran} settings" if ran > 1 else "the only setting"


def _range(those: Sequence[Winner], label: str) -> str:
    """Its speed-ups in these settings, beside reference, control and ceiling: the middle, the lowest and the highest."""
    arms = [arm for one in those for arm in one.leaders if arm.label == label]
    found = [(one.study.of(arm), one) for one, arm in zip(those, arms, strict=True)]
    words = []
    for name, ratios in (
        ("synchronous training", [one.over_reference for one, _ in found]),
        ("stock Horovod", [one.over_control for one, _ in found]),
    ):
        known = sorted(one.ratio.value for one in ratios if one is not None)
        sure = sum(one is not None and one.verdict is Verdict.FASTER for one in ratios)
        if known:
            span = formats.ratio(float(np.median(known)))
            span += f" ({formats.ratio(known[0])} to {formats.ratio(known[-1])})" if len(known) > 1 else ""
            words.append(f"{span} times as fast as {name}, for sure in {sure} of {len(known)}")
    shares = sorted(one.of_ceiling.ratio.value for one, _ in found if one.of_ceiling is not None)
    if shares:
        words.append(f"{float(np.median(shares)):.0%} of the ceiling")
    return f". {'In those, ' * (len(those) > 1)}{label} is {'; '.join(words)}." if words else "."


def _convergence(study: Study) -> Iterator[tuple[str, str]]:
    """At the highest target that synchronous training reached in all its runs."""
    for experiment, group, found, reference in _trained(study):
        target = _target(reference)
        if target is None:
            continue
        cheap: list[str] = []
        same: list[str] = []
        dear: list[str] = []
        never: list[str] = []
        untold: list[str] = []
        for one in found:
            if one is reference or one.arm.role == "ceiling":
                continue
            effort = one.effort(target)
            if effort is None:
                continue  # never evaluated: a hole, which the experiment's table shows
            if math.isinf(effort.samples):
                never.append(one.arm.label)
                continue
            interval = ratio(one, reference, target)
            if interval is None:
                dear.append(f"{one.arm.label} (reached in {effort.reached} of {effort.runs} runs)")
            elif not interval.decides:
                untold.append(f"{one.arm.label} ({formats.ratio(interval.value)}×, {interval.lacks})")
            elif not interval.excludes(1.0):
                same.append(one.arm.label)
            else:
                (cheap if interval.value < 1 else dear).append(f"{one.arm.label} ({formats.ratio(interval.value)}×)")
        if not (cheap or same or dear or never or untold):
            continue  # nothing stands beside it
        axes = varying(other.setting for other in experiment.groups)
        where = describe(group.setting, axes)
        effort = reference.effort(target)
        text = f"To {formats.share(target)} synchronous training needs {effort.samples:,.0f} samples." if effort else ""
        for names, said in (
            (cheap, "Fewer"),
            (same, "Not distinguishable from that"),
            (dear, "More, or not in every run"),
            (never, "Never in half of their runs or more"),
            (untold, "Unknown"),
        ):
            text += f" {said}: {', '.join(names)}." if names else ""
        yield f"Convergence ({experiment.kind}, {experiment.name}{', ' + where if where else ''}):", text


def _trained(study: Study) -> Iterator[tuple[Experiment, Group, list[Tuned], Tuned]]:
    for experiment in study.experiments:
        for group in experiment.groups:
            if not converges(group) or group.reference is None:
                continue
            found = [one for arm in group.arms for one in [tuned(arm)] if one is not None]
            reference = next((one for one in found if one.arm is group.reference), None)
            if reference is not None:
                yield experiment, group, found, reference


def _target(reference: Tuned) -> float | None:
    reached = [effort.target for effort in reference.efforts if effort.reached == effort.runs]
    return max(reached, default=None)


def _costs(study: Study) -> dict[str, Cost]:
    """By label; the first experiment that can tell wins."""
    costs: dict[str, Cost] = {}
    for experiment, _, found, reference in _trained(study):
        target = _target(reference)
        if target is None or experiment.kind != "measured":
            continue
        for one in found:
            effort = one.effort(target)
            interval = None if one is reference else ratio(one, reference, target)
            if one is reference:
                cost = Cost("1", 1.0, experiment.name, target)
            elif interval is not None:
                cost = Cost(formats.around(interval, places="ratio"), interval.value, experiment.name, target)
            elif effort is not None and math.isinf(effort.samples):
                cost = Cost("never", None, experiment.name, target)
            else:
                continue
            costs.setdefault(one.arm.label, cost)
    return costs


def _table(kind: str, won: Sequence[Winner], costs: dict[str, Cost]) -> Table:
    rows = []
    for one in won:
        same = [other.group.setting for other in won if other.group.setting.experiment == one.group.setting.experiment]
        setting = describe(one.group.setting, varying(same)) or "all runs"
        rows.append(
            (
                Entry(one.group.setting.experiment, one.group.setting.experiment),
                Entry(setting, setting),
                Entry(one.arm.label, one.arm.label),
                ratio_entry(one.over_reference, one.arm is one.group.reference),
                ratio_entry(one.over_control, one.arm is one.group.control),
                _share(one),
                _sure(one),
                _cost(costs.get(one.arm.label)),
            )
        )
    return Table(
        f"winners-{kind}",
        f"The fastest algorithm of every setting, {kind}. Brackets hold 95 % intervals. Speed is not all: the last column "
        "says what the algorithm costs in samples where that was measured.",
        COLUMNS,
        tuple(rows),
        folded=len(rows) > MOST_ROWS,
    )


def _share(one: Winner) -> Entry:
    share = None if one.of_ceiling is None else one.of_ceiling.ratio.value
    return formats.number(share, formats.percent(share))


def _sure(one: Winner) -> Entry:
    if one.alone:
        return Entry("faster than all others", "faster than all others", "good")
    if not one.equals:
        return Entry(formats.DASH, None, "quiet")
    names = ", ".join(arm.label for arm in one.equals[:3])
    more = f" and {len(one.equals) - 3} more" if len(one.equals) > 3 else ""
    text = f"not distinguishable from {names}{more}"
    return Entry(text, text, "quiet")


def _cost(cost: Cost | None) -> Entry:
    if cost is None:
        return formats.number(None)
    note = f"to {formats.share(cost.target)} in {cost.experiment}"
    if cost.value is None:
        return Entry(cost.text, "never", "hole", note)
    return Entry(cost.text, cost.value, "", note)


def _doubts(study: Study) -> Iterator[Block]:
    records = study.evidence.records
    broken = sum(not record.finished for record in records)
    if broken or study.evidence.holes:
        words = [f"{broken} of {plural(len(records), 'run')} did not finish"] * bool(broken)
        words += [f"{plural(len(study.evidence.holes), 'file')} could not be read"] * bool(study.evidence.holes)
        yield Notice(Level.HOLE, f"{' and '.join(words).capitalize()}; see Holes and warnings.")
    single = [one.name for one in study.experiments if all(len(arm.timed) == 1 for arm in one.arms if arm.timed)]
    if single:
        text = (
            f"One run of each kind only in {', '.join(dict.fromkeys(single))}: how runs differ is not known there, so no "
            "algorithm is called faster or slower."
        )
        yield Notice(Level.WARNING, text)
