"""Which algorithm on which network, and with which stragglers: a map of winners."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from suite.report import words
from suite.report.arms import KINDS, Arm, Group
from suite.report.charts.specification import Cell, Map, MapPanel
from suite.report.content import Figure
from suite.report.landing.number import Number, where
from suite.report.landing.picture import Picture
from suite.report.study import Study
from suite.report.winners import choices_of, winner

QUESTION = "Which algorithm, where?"
COMMAND = "farandole bench network, and farandole bench stragglers,"
FEWEST = 2  # places that make a map
MOST_ROWS, MOST_COLUMNS = 10, 5


@dataclass(frozen=True)
class Place:
    """The fastest of those that ran in one setting."""

    group: Group
    arm: Arm
    gain: Number  # over synchronous training
    alone: bool  # faster than all others for sure


def picture(study: Study) -> Picture:
    places = {kind: _places(study, kind) for kind in KINDS}
    panels = [_panel(kind, found) for kind, found in places.items() if len(found) >= FEWEST]
    every = [one for found in places.values() if len(found) >= FEWEST for one in found]
    if not panels:
        missing = (
            f"Fewer than {FEWEST} settings hold several algorithms beside synchronous training. {COMMAND} make them."
        )
        return Picture("map", QUESTION, "", missing=missing)
    text, numbers = _sentence(every)
    figure = Figure(
        "landing-map",
        "Of the algorithms that ran in a setting (not all ran in every one) the fastest, and how many times as fast as "
        "synchronous training it is; all numbers travel as they are. Dashed: not for sure, because it ran once or is not "
        "distinguishable from another. –: not run.",
        f"Map of {len(every)} settings, network by straggler. {text}",
        Map(tuple(panels), "network"),
    )
    return Picture("map", QUESTION, text, numbers, figure, shown=tuple(one.gain for one in every))


def _places(study: Study, kind: str) -> list[Place]:
    """One for each net, network and straggler, on the number of workers that most settings have."""
    groups = [group for one in study.experiments if one.kind == kind for group in one.groups]
    able = [one for group in groups for one in [_place(group, study)] if one is not None]
    counts = Counter((one.group.setting.workers) for one in able)
    if not counts:
        return []
    workers = max(counts, key=lambda count: (counts[count], count))
    found: dict[tuple[str, str, str], Place] = {}
    for one in able:
        setting = one.group.setting
        name = (setting.model, setting.network, setting.straggler)
        if setting.workers == workers and (name not in found or _worth(one) > _worth(found[name])):
            found[name] = one
    return list(found.values())


def _worth(one: Place) -> tuple[bool, bool, int]:
    """What is sure before what is not; PyTorch's; the one that more algorithms ran in."""
    return (one.gain.interval.decides, one.group.setting.framework == "torch", len(choices_of(one.group)))


def _place(group: Group, study: Study) -> Place | None:
    choices = [arm for arm in choices_of(group) if not arm.coded and study.of(arm).over_reference is not None]
    if group.reference is None or not choices or group.setting.network == "local" or group.setting.workers < 2:
        return None
    best = max(choices, key=lambda arm: study.of(arm).over_reference.ratio.value)  # type: ignore[union-attr]
    over = study.of(best).over_reference
    if over is None:
        return None
    won = winner(group, study)
    alone = won is not None and won.alone and won.arm is best
    return Place(group, best, Number("× synchronous", best, over.ratio, group.reference.label), alone)


def _panel(kind: str, found: Sequence[Place]) -> MapPanel:
    networks = sorted({one.group.setting.network for one in found}, key=_rate)[:MOST_COLUMNS]
    rows = sorted({_row(one) for one in found if one.group.setting.network in networks})[:MOST_ROWS]
    cells = tuple(
        Cell(
            rows.index(_row(one)),
            networks.index(one.group.setting.network),
            f"{one.gain.middle} ×",
            one.arm.family,
            one.arm.name,
            one.alone,
        )
        for one in found
        if one.group.setting.network in networks and _row(one) in rows
    )
    workers = found[0].group.setting.workers
    title = f"{workers} workers, {kind}"
    return MapPanel(title, tuple(f"{_briefly(model)}, {said}" for _, model, said in rows), tuple(networks), cells)


def _row(one: Place) -> tuple[bool, str, str]:
    setting = one.group.setting
    return (setting.straggler != "none", words.net("", setting.model), words.straggler(setting.straggler))


def _rate(network: str) -> tuple[bool, float, str]:
    found = re.match(r"([\d.]+) Mbit/s$", network)
    return (found is None, float(found[1]) if found else 0.0, network)


def _sentence(found: Sequence[Place]) -> tuple[str, tuple[Number, ...]]:
    """The largest gain without and with stragglers; what is sure goes before what is not."""
    said, numbers = [], []
    for calm in (True, False):
        those = [one for one in found if (one.group.setting.straggler == "none") == calm]
        if not those:
            continue
        best = max(those, key=lambda one: (one.gain.interval.decides, one.gain.interval.value))
        gain = f"{best.gain.text} times as fast as synchronous training"
        said.append(f"{best.arm.title} is {gain} for {where(best.group.setting)} ({best.group.setting.kind})")
        numbers.append(best.gain)
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}.", tuple(numbers)


def _briefly(model: str) -> str:
    """A row has room for three lines."""
    return re.sub(r" at \d+ × \d+|, without dropout", "", model)
