"""How far training came, and what it took: curves and the table of targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from suite.record.learned import Effort
from suite.report import formats
from suite.report.arms import Group
from suite.report.charts.specification import Line, Lines, Panel, Role
from suite.report.content import Block, Column, Entry, Figure, Table
from suite.report.convergence import Point, Tuned, converges, curve, ratio, tuned
from suite.report.sections import options
from suite.report.sections.wording import describe, plural, varying
from suite.report.study import Experiment

MOST_LINES = 5  # beside the reference, in one panel
AXES: tuple[tuple[str, str, float], ...] = (
    ("step", "steps", 1.0),
    ("samples", "samples", 1.0),
    ("bytes_sent", "MB sent per rank", 1e-6),
    ("seconds", "seconds of training", 1.0),
)
COLUMNS = (
    Column("algorithm", "algorithm"),
    Column("learning_rate", "best learning rate", True, "of those tried, the same for all algorithms", detail=True),
    Column("target", "target", True, "accuracy on held-out data"),
    Column("reached", "reached", True, "runs that got there, of all runs at this learning rate"),
    Column("samples", "samples", True, "median; never: half of the runs or more did not get there"),
    Column("samples_ratio", "samples, × synchronous", True, "seed by seed; only where every run of both got there"),
    Column("steps", "steps", True, "median, per worker", detail=True),
    Column("megabytes", "MB sent", True, "median, per rank", detail=True),
    Column("seconds", "seconds", True, "median; training time, evaluations left out", detail=True),
    Column("final", "final accuracy", True, "median over runs, lowest and highest"),
    Column("outcome", "outcome", detail=True),
)


def blocks(experiment: Experiment) -> Iterator[Block]:
    axes = varying(group.setting for group in experiment.groups)
    for number, group in enumerate((one for one in experiment.groups if converges(one)), start=1):
        found = [one for arm in group.arms for one in [tuned(arm)] if one is not None]
        suffix = "" if number == 1 else f"-{number}"
        where = describe(group.setting, axes)
        reference = next((one for one in found if one.arm is group.reference), None)
        yield from options.figures(experiment, found, reference, suffix, where)
        yield from figures(experiment, group, found, suffix, where)
        yield _table(experiment, group, found, suffix, where)


def figures(experiment: Experiment, group: Group, found: Sequence[Tuned], suffix: str, where: str) -> Iterator[Figure]:
    curves = {one.arm.label: curve(one.runs) for one in found}
    reference = group.reference
    kept = [one for one in found if curves[one.arm.label]]
    if not kept:
        return
    several = max(len(one.runs) for one in kept)
    drawn = f"Lines are medians of up to {several} runs, bands reach from the lowest to the highest."
    drawn = drawn if several > 1 else "Every line is a single run."
    beside = ", synchronous training in every row" if any(one.arm is reference for one in kept) else ""
    for measure, title in (("top1", "accuracy"), ("loss", "loss")):
        panels = []
        for pack in _packs([one for one in kept if one.arm is not reference]):
            shown = [one for one in kept if one.arm is reference or one in pack]
            for attribute, x_title, scale in AXES:
                lines = tuple(
                    _line(one, curves[one.arm.label], attribute, scale, measure, one.arm is reference) for one in shown
                )
                panels.append(Panel("", lines, x_title, title, y_log=measure == "loss"))
        finals = sorted(((float(np.median(one.finals)), one.arm.title) for one in kept if one.finals), reverse=True)
        best = (
            f"Highest final accuracy: {finals[0][1]}, {finals[0][0]:.1%}; lowest: {finals[-1][1]}, {finals[-1][0]:.1%}."
        )
        heading = f"{where}: " if where else ""
        yield Figure(
            f"{experiment.slug}-{title}{suffix}",
            f"{heading}{title.capitalize()} on held-out data against steps, samples, bytes and training time; every "
            f"algorithm at its best learning rate{beside}. {drawn}",
            f"{title.capitalize()} curves of {plural(len(kept), 'algorithm')} in {experiment.name}. {best}",
            Lines(tuple(panels), columns=len(AXES)),
        )


def _packs(found: Sequence[Tuned]) -> Iterator[list[Tuned]]:
    """A few lines per row of panels; variants of one algorithm stay together."""
    families: dict[str, list[Tuned]] = {}
    for one in found:
        families.setdefault(one.arm.family, []).append(one)
    pack: list[Tuned] = []
    for family in families.values():
        if pack and len(pack) + len(family) > MOST_LINES:
            yield pack
            pack = []
        pack += family
    if pack or not families:
        yield pack


def _line(one: Tuned, points: Sequence[Point], attribute: str, scale: float, measure: str, reference: bool) -> Line:
    values = [getattr(point, measure) for point in points]
    return Line(
        Role.REFERENCE.value if reference else one.arm.title,
        tuple(getattr(point, attribute) * scale for point in points),
        tuple(middle for _, middle, _ in values),
        tuple(low for low, _, _ in values),
        tuple(high for _, _, high in values),
        Role.REFERENCE if reference else Role.ALGORITHM,
        one.arm.name,
    )


def _table(experiment: Experiment, group: Group, found: Sequence[Tuned], suffix: str, where: str) -> Table:
    reference = next((one for one in found if one.arm is group.reference), None)
    rows = [row for one in found for row in _rows(one, reference)]
    tried = sorted({rate for one in found for rate in one.tried})
    seeds = len({run.record.labels.seed for one in found for run in one.runs})
    every = found[0].runs[0].record.specification.evaluate_every
    rates = ", ".join(f"{rate:g}" for rate in tried)
    kinds = (
        f"its best of {len(tried)} learning rates ({rates})" if len(tried) > 1 else f"the learning rate {rates} alone"
    )
    chosen = " The best learning rate was chosen with the runs that are shown, for all algorithms alike." * (
        len(tried) > 1
    )
    return Table(
        f"{experiment.slug}-targets{suffix}",
        f"{where + ': ' if where else ''}What each algorithm needed to each target, at {kinds}, over "
        f"{plural(seeds, 'seed')}. Looked at every {every:,} samples, which is how finely this can be told.{chosen}",
        COLUMNS,
        tuple(rows),
    )


def _rows(one: Tuned, reference: Tuned | None) -> Iterator[tuple[Entry, ...]]:
    if not one.efforts:
        yield _row(one, None, reference)
    for effort in one.efforts:
        yield _row(one, effort, reference)


def _row(one: Tuned, effort: Effort | None, reference: Tuned | None) -> tuple[Entry, ...]:
    finals = one.finals
    middle = float(np.median(finals)) if finals else None
    final = formats.DASH
    if finals and middle is not None:
        final = f"{middle:.1%}" + (f" ({min(finals):.1%} to {max(finals):.1%})" if len(finals) > 1 else "")
    return (
        Entry(one.arm.title, one.arm.label, exact=one.arm.label),
        Entry(f"{one.learning_rate:g}{_edge(one)}", one.learning_rate),
        Entry(formats.DASH, None) if effort is None else Entry(formats.share(effort.target), effort.target),
        _reached(effort),
        _amount(effort, lambda found: found.samples, 1),
        _ratio(one, effort, reference),
        _amount(effort, lambda found: found.step, 1),
        _amount(effort, lambda found: found.bytes_sent, 1e-6),
        _amount(effort, lambda found: found.seconds, 1),
        formats.number(middle, final),
        _outcome(one),
    )


def _edge(one: Tuned) -> str:
    """Beyond the last rate that was tried there may be a better one."""
    if len(one.tried) < 2 or min(one.tried) < one.learning_rate < max(one.tried):
        return ""
    return " (the lowest tried)" if one.learning_rate == min(one.tried) else " (the highest tried)"


def _reached(effort: Effort | None) -> Entry:
    if effort is None:
        return formats.number(None)
    text = f"{effort.reached} of {effort.runs}"
    return Entry(text, effort.reached / effort.runs, "" if effort.reached == effort.runs else "hole")


def _amount(effort: Effort | None, pick: Callable[[Effort], float], scale: float) -> Entry:
    if effort is None:
        return formats.number(None)
    value = pick(effort) * scale
    if math.isinf(value):
        return Entry("never", "never", "hole")
    return formats.number(value, f"{value:,.0f}" if value >= 1000 else formats.digits(value))


def _ratio(one: Tuned, effort: Effort | None, reference: Tuned | None) -> Entry:
    if effort is None or reference is None:
        return formats.number(None)
    if one is reference:
        return Entry("1", 1.0, "quiet")
    found = ratio(one, reference, effort.target)
    return formats.number(None if found is None else found.value, formats.around(found, places="ratio"))


def _outcome(one: Tuned) -> Entry:
    failed = sum(run.record.outcome.status == "failed" for run in one.runs)
    blind = sum(run.record.finished and not run.record.evaluations for run in one.runs)
    said = [
        f"{count} {what}"
        for count, what in ((one.diverged, "diverged"), (failed, "failed"), (blind, "without any evaluation"))
        if count
    ]
    return Entry(", ".join(said) or "finished", ", ".join(said) or "finished", "hole" if said else "quiet")
