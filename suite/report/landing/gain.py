"""How much faster with more workers?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from suite.report import words
from suite.report.arms import KINDS, Arm, Group
from suite.report.charts.specification import Line, Lines, Panel, Role
from suite.report.content import Figure
from suite.report.landing.number import Number
from suite.report.landing.picture import Picture
from suite.report.measures import compare
from suite.report.study import Study

QUESTION = "How many more samples do more workers get through?"
COMMAND = "farandole bench scaling"
NETS = ("alexnet", "googlenet")
ROLES = {"reference": Role.REFERENCE, "control": Role.CONTROL, "ceiling": Role.CEILING}
MOST = 8  # lines in a panel


@dataclass(frozen=True)
class Family:
    """Settings that differ in the number of workers alone, one of them a single worker."""

    net: str
    kind: str
    groups: tuple[Group, ...]
    alone: Arm

    @property
    def largest(self) -> Group:
        return self.groups[-1]

    def speedup(self, arm: Arm) -> Number | None:
        """In samples per second over one worker alone: every worker keeps its batch."""
        found = compare(arm, self.alone)
        if found is None:
            return None
        times, ratio = arm.setting.workers, found.ratio
        scaled = replace(ratio, value=times * ratio.value, low=times * ratio.low, high=times * ratio.high)
        return Number("× one worker", arm, scaled, against=self.alone.label)


def picture(study: Study) -> Picture:
    found = [one for kind in KINDS for net in NETS for one in [_family(study, net, kind)] if one is not None]
    lacking = [words.MODELS[net] for net in NETS if not any(one.net == net for one in found)]
    missing = (
        f"No records of {' or '.join(lacking)} on one and on more workers. {COMMAND} makes them." if lacking else ""
    )
    if not found:
        return Picture("gain", QUESTION, "", missing=missing)
    said = [one for one in [_sentence(family) for family in _told(found)] if one is not None]
    drawn = [(family, lines) for family in found for lines in [_lines(family)]]
    panels = tuple(
        Panel(
            f"{words.MODELS[family.net]}, {family.kind}",
            (*(line for line, _ in lines), _ideal(family)),
            f"workers ({family.largest.setting.network})",
            "× one worker",
            x_ticks=tuple((float(one.setting.workers), str(one.setting.workers)) for one in family.groups),
            y_from_zero=True,
        )
        for family, lines in drawn
    )
    figure = Figure(
        "landing-gain",
        "Samples per second, × one worker. No communication is the ceiling. Runs differ by a percent or two: who is that "
        "little above the ceiling, or above as many times as workers, is at it.",
        f"Speed-up over workers in {len(panels)} panels. {' '.join(text for text, _ in said)}",
        Lines(panels, columns=1 if len(panels) <= 2 else 2, same_y=False, narrow=True),
    )
    numbers = tuple(one for _, those in said for one in those)
    shown = tuple(one for _, lines in drawn for _, those in lines for one in those)
    return Picture("gain", QUESTION, " ".join(text for text, _ in said), numbers, figure, missing, shown)


def _told(found: Sequence[Family]) -> Iterator[Family]:
    """Of each net the strongest kind of evidence: what was measured before what was emulated before what was simulated."""
    for net in NETS:
        yield from [one for one in found if one.net == net][:1]


def _family(study: Study, net: str, kind: str) -> Family | None:
    """The one with most numbers of workers; then PyTorch's, then the one with most algorithms."""
    found: dict[object, list[Group]] = {}
    for experiment in study.experiments:
        for group in experiment.groups if experiment.kind == kind else ():
            named = group.arms[0].runs[0].record.specification.model.name
            if named == net and group.setting.straggler == "none":
                found.setdefault(group.setting.model_copy(update={"workers": 0}), []).append(group)
    able = [one for groups in found.values() for one in [_of(net, kind, groups)] if one is not None]
    return max(
        able, key=lambda one: (len(one.groups), one.largest.setting.framework == "torch", _arms(one)), default=None
    )


def _of(net: str, kind: str, groups: list[Group]) -> Family | None:
    ordered = tuple(sorted(groups, key=lambda group: group.setting.workers))
    first = ordered[0]
    alone = first.reference or next((arm for arm in first.arms if arm.timed and not arm.for_memory), None)
    if first.setting.workers != 1 or len(ordered) < 2 or alone is None or not alone.timed:
        return None
    return Family(net, kind, ordered, alone)


def _arms(family: Family) -> int:
    return sum(len(group.arms) for group in family.groups)


def _lines(family: Family) -> list[tuple[Line, tuple[Number, ...]]]:
    labels = dict.fromkeys(arm.label for group in family.groups[1:] for arm in group.arms)
    found = []
    for label in labels:
        those = [arm for group in family.groups for arm in group.arms if arm.label == label and arm.role != "alone"]
        numbers = tuple(one for arm in those for one in [family.speedup(arm)] if one is not None)
        if not numbers:
            continue
        arm = numbers[-1].arm
        role = Role.ALGORITHM if arm.coded else ROLES.get(arm.role, Role.ALGORITHM)
        shown = arm.title if role is Role.ALGORITHM else role.value
        x = (1.0, *(float(one.setting.workers) for one in numbers))
        y = (1.0, *(one.interval.value for one in numbers))
        sure = all(one.interval.decides for one in numbers)
        low = (1.0, *(one.interval.low for one in numbers)) if sure else None
        high = (1.0, *(one.interval.high for one in numbers)) if sure else None
        found.append((Line(shown, x, y, low, high, role, arm.name), numbers))
    beside = [one for one in found if one[0].role is not Role.ALGORITHM]
    chosen = sorted((one for one in found if one[0].role is Role.ALGORITHM), key=lambda one: -one[0].y[-1])
    kept = {id(one) for one in (*beside, *chosen[: max(0, MOST - len(beside))])}
    return [one for one in found if id(one) in kept]


def _ideal(family: Family) -> Line:
    places = tuple(float(one.setting.workers) for one in family.groups)
    return Line("as many times as workers", places, places, role=Role.IDEAL)


def _sentence(family: Family) -> tuple[str, tuple[Number, ...]] | None:
    group = family.largest
    found = [(arm, one) for arm in group.arms for one in [family.speedup(arm)] if one is not None]
    choices = [(arm, one) for arm, one in found if arm.role not in ("ceiling", "alone")]
    if not choices:
        return None
    best, number = max(choices, key=lambda one: one[1].interval.value)
    numbers = [number]
    net, workers = words.MODELS[family.net], group.setting.workers
    text = f"{workers} workers get through {number.text} times as many samples of {net} as one with {best.title}"
    if not number.interval.decides:  # nobody is called the first by one run
        worst, least = min(choices, key=lambda one: one[1].interval.value)
        text = (
            f"{workers} workers get through {least.middle} ({worst.title}) to {number.middle} ({best.title}) times as "
        )
        text += f"many samples of {net} as one, in one run of each"
        numbers.append(least)
    for role, said in (("control", "stock Horovod"), ("ceiling", "ceiling")):
        beside = next((one for arm, one in found if arm.role == role and arm is not best), None)
        if beside is not None:
            text += f"; {said} {beside.middle}"
            numbers.append(beside)
    return f"{text} ({family.kind}).", tuple(numbers)
