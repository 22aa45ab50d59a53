"""Does it still learn, and how soon?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from suite.report import formats, words
from suite.report.arms import KINDS, Group, Setting
from suite.report.charts.specification import Line, Lines, Panel, Role
from suite.report.content import Figure
from suite.report.convergence import Tuned, curve, doubt, highest, ratio, tuned
from suite.report.landing.number import Number, link
from suite.report.landing.picture import Picture
from suite.report.sections.wording import plural
from suite.report.study import Study

QUESTION = "Does it still learn, and how soon?"
COMMAND = "farandole bench virtual-{net}"
NETS = ("alexnet", "googlenet")
MOST = 9  # lines in a panel


@dataclass(frozen=True)
class Trained:
    group: Group
    best: tuple[Tuned, ...]  # of every algorithm its best variant at its best learning rate
    reference: Tuned | None

    @property
    def net(self) -> str:
        return self.group.arms[0].runs[0].record.specification.model.name


def picture(study: Study) -> Picture:
    there = [one for kind in KINDS for one in _trained(study, kind)]
    nets = [one for net in NETS for one in _first([found for found in there if found.net == net])]
    lacking = [net for net in NETS if not any(one.net == net for one in nets)]
    # A small net is better than no picture; it is called what it is.
    shown = nets or _first(there)
    missing = ""
    if lacking:
        names = " and ".join(words.MODELS[net] for net in lacking)
        missing = f"No records of {names} trained to an accuracy. {COMMAND.format(net=lacking[0])} makes them."
    if not shown:
        return Picture("learning", QUESTION, "", missing=missing)
    said = [_sentence(one, there) for one in shown]
    panels = tuple(_panel(one) for one in shown)
    figure = Figure(
        "landing-learning",
        "Accuracy on held-out data over seconds of training; every algorithm at its best tuning, medians over its runs, "
        "bands from the lowest to the highest.",
        f"Accuracy over time in {plural(len(panels), 'panel')}. {' '.join(text for text, _ in said)}",
        Lines(panels, columns=1, same_y=False, narrow=True),
    )
    numbers = tuple(one for _, those in said for one in those)
    return Picture("learning", QUESTION, " ".join(text for text, _ in said), numbers, figure, missing)


def _trained(study: Study, kind: str) -> list[Trained]:
    found = []
    for experiment in study.experiments:
        for group in experiment.groups if experiment.kind == kind else ():
            best: dict[str, Tuned] = {}
            for arm in group.arms:
                one = tuned(arm)
                if one is None or not curve(one.runs) or arm.role == "ceiling":
                    continue
                # The reference is what others are compared with: no other variant takes its place.
                name = "reference" if arm is group.reference else arm.family
                if name not in best or one.badness < best[name].badness:
                    best[name] = one
            if len(best) > 1:
                found.append(Trained(group, tuple(best.values()), best.get("reference")))
    return found


def _first(found: Sequence[Trained]) -> list[Trained]:
    """The strongest kind, which comes first; of that the one with most algorithms."""
    kinds = [one.group.setting.kind for one in found]
    return (
        [max((one for one in found if one.group.setting.kind == kinds[0]), key=lambda one: len(one.best))]
        if found
        else []
    )


def _panel(one: Trained) -> Panel:
    chosen = sorted(one.best, key=lambda found: (found is not one.reference, found.badness))[:MOST]
    lines = tuple(_line(found, found is one.reference) for found in one.best if found in chosen)
    left_out = "" if len(one.best) <= MOST else f", the best {MOST}"
    setting = one.group.setting
    title = f"{words.net(one.net, setting.model)}, {setting.kind}, {setting.workers} workers{left_out}"
    return Panel(title, lines, "seconds", "accuracy", x_log=True, x_ticks=_ticks(lines))


def _ticks(lines: Sequence[Line]) -> tuple[tuple[float, str], ...]:
    """1, 2 and 5 times powers of ten."""
    places = [at for line in lines for at in line.x if at > 0]
    if not places:
        return ()
    powers = range(math.floor(math.log10(min(places))), math.ceil(math.log10(max(places))) + 1)
    every = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    return tuple((at, f"{at:g}") for at in every if min(places) <= at <= max(places))


def _line(one: Tuned, reference: bool) -> Line:
    points = curve(one.runs)
    return Line(
        Role.REFERENCE.value if reference else one.arm.title,
        tuple(point.seconds for point in points),
        tuple(point.top1[1] for point in points),
        tuple(point.top1[0] for point in points),
        tuple(point.top1[2] for point in points),
        Role.REFERENCE if reference else Role.ALGORITHM,
        one.arm.name,
    )


def _sentence(shown: Trained, there: Sequence[Trained]) -> tuple[str, tuple[Number, ...]]:
    """Who is soonest at the highest target that synchronous training reached in all its runs, on every network beside the
    one that is shown; else how far training came."""
    setting = shown.group.setting
    net = f"{words.net('', setting.model)} on {plural(setting.workers, 'worker')}"
    beside = [one for one in there if one is not shown and _but_for_the_network(one) == _but_for_the_network(shown)]
    found = [(one, first) for one in (shown, *beside) for first in [_soonest(one)] if first is not None]
    if found:
        said = []
        for one, (number, unsure) in found:
            where = "" if one.group.setting.network == "local" else f", {link(one.group.setting)}"
            goal, title = formats.share(number.target or 0.0), number.arm.title
            soonest = f"{goal} soonest with {title}, in {number.text} times the seconds of synchronous training{unsure}"
            if number.interval.high >= 1:
                sooner = f"{goal} with nothing surely sooner than synchronous training"
                soonest = f"{sooner}; with {title}, in {number.text} times its seconds"
            said.append(soonest + where)
        return f"{net} reaches {'; '.join(said)} ({setting.kind}).", tuple(one for _, (one, _) in found)
    top = highest(shown.best)
    if top is None:
        return f"{net} was not evaluated ({setting.kind}).", ()
    number = Number("final accuracy", top.best.arm, top.accuracy)
    return f"{net} ends highest with {top.best.arm.title}: {number.text}{top.doubt} ({setting.kind}).", (number,)


def _but_for_the_network(one: Trained) -> Setting:
    return one.group.setting.model_copy(update={"network": ""})


def _soonest(one: Trained) -> tuple[Number, str] | None:
    """Beside synchronous training, and what speaks against its being the first."""
    reference = one.reference
    reached = [] if reference is None else [it.target for it in reference.efforts if it.reached == it.runs]
    if reference is None or not reached:
        return None
    target, others = max(reached), [it for it in one.best if it is not reference]
    ratios = [(it, found) for it in others for found in [ratio(it, reference, target, "seconds")] if found is not None]
    if not ratios:
        return None
    best, interval = min(ratios, key=lambda it: it[1].value)
    number = Number("seconds, × synchronous", best.arm, interval, reference.arm.label, target)
    return number, doubt(best, one.best, target, "seconds")
