"""How far training comes against an option of an algorithm: a period, a delay."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from suite.report.charts.specification import Line, Lines, Panel, Role
from suite.report.content import Figure
from suite.report.convergence import Tuned
from suite.report.formats import share
from suite.report.sections.wording import plural
from suite.report.study import Experiment

LEAST = 3  # values of an option that make a line
WIDE = 20.0  # from this factor between the largest and the smallest on, the axis is logarithmic

Family = list[tuple[float, Tuned]]


def figures(
    experiment: Experiment, found: Sequence[Tuned], reference: Tuned | None, suffix: str, where: str
) -> Iterator[Figure]:
    for option in sorted({key for one in found for key in _options(one)}):
        families = _families(found, option)
        if not families:
            continue
        panels = [_accuracy(option, families, reference)]
        target = _target(families)
        if target is not None:
            panels.append(_samples(option, families, reference, target))
        ends = [(float(np.median(one.finals)), one.arm.title) for one in _members(families) if one.finals]
        said = f"Highest: {max(ends)[1]}, {max(ends)[0]:.1%}; lowest: {min(ends)[1]}, {min(ends)[0]:.1%}."
        yield Figure(
            f"{experiment.slug}-{option.replace('_', '-')}{suffix}",
            f"{where + ': ' if where else ''}Final accuracy, and samples to a target, against {option}: medians, lowest "
            "and highest of the runs, each algorithm at its best learning rate. Where half of the runs or more never "
            "reached the target, there is no point.",
            f"Final accuracy against {option} for {plural(len(families), 'algorithm')} of {experiment.name}. {said}",
            Lines(tuple(panels), columns=2, same_y=False),
        )


def _families(found: Sequence[Tuned], option: str) -> dict[str, Family]:
    """Algorithms that differ in this option alone, by what they are called without it."""
    groups: dict[tuple[str, str], Family] = {}
    for one in found:
        value = _options(one).get(option)
        if value is not None and one.finals:
            others = sorted((key, str(item)) for key, item in _all_options(one).items() if key != option)
            groups.setdefault((one.arm.family, str(others)), []).append((value, one))
    families: dict[str, Family] = {}
    for (name, _), members in groups.items():
        if len({value for value, _ in members}) >= LEAST:
            families[name if name not in families else f"{name} ({len(families)})"] = sorted(
                members, key=lambda member: member[0]
            )
    return families


def _accuracy(option: str, families: dict[str, Family], reference: Tuned | None) -> Panel:
    lines = []
    for name, members in families.items():
        finals = [one.finals for _, one in members]
        lines.append(
            Line(
                name,
                tuple(value for value, _ in members),
                tuple(float(np.median(values)) for values in finals),
                tuple(min(values) for values in finals),
                tuple(max(values) for values in finals),
                name=members[0][1].arm.name,
            )
        )
    if reference is not None and reference.finals:
        lines.append(_level(families, float(np.median(reference.finals))))
    return Panel("Final accuracy", tuple(lines), option, "accuracy", x_log=_log(families), x_ticks=_ticks(families))


def _samples(option: str, families: dict[str, Family], reference: Tuned | None, target: float) -> Panel:
    lines = []
    for name, members in families.items():
        points = [
            (value, effort.samples)
            for value, one in members
            for effort in [one.effort(target)]
            if effort is not None and math.isfinite(effort.samples)
        ]
        if points:
            x, y = zip(*points, strict=True)
            lines.append(Line(name, x, y, name=members[0][1].arm.name))
    base = None if reference is None else reference.effort(target)
    if base is not None and math.isfinite(base.samples):
        lines.append(_level(families, base.samples))
    title = f"Samples to {share(target)}"
    log, ticks = _log(families), _ticks(families)
    return Panel(title, tuple(lines), option, "samples", x_log=log, x_ticks=ticks, y_from_zero=True)


def _level(families: dict[str, Family], value: float) -> Line:
    places = _places(families)
    return Line(Role.REFERENCE.value, (places[0], places[-1]), (value, value), role=Role.REFERENCE)


def _target(families: dict[str, Family]) -> float | None:
    """The highest that any of them always reached."""
    always = [effort.target for one in _members(families) for effort in one.efforts if effort.reached == effort.runs]
    return max(always, default=None)


def _members(families: dict[str, Family]) -> list[Tuned]:
    return [one for members in families.values() for _, one in members]


def _places(families: dict[str, Family]) -> list[float]:
    return sorted({value for members in families.values() for value, _ in members})


def _log(families: dict[str, Family]) -> bool:
    places = _places(families)
    return places[0] > 0 and places[-1] / places[0] >= WIDE


def _ticks(families: dict[str, Family]) -> tuple[tuple[float, str], ...]:
    return tuple((value, f"{value:g}") for value in _places(families))


def _options(one: Tuned) -> dict[str, float]:
    found = _all_options(one)
    return {
        key: float(value)
        for key, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _all_options(one: Tuned) -> dict[str, object]:
    return dict(one.arm.runs[0].record.specification.algorithm.options)
