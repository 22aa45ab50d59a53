"""How fast it learns: who needs the fewest samples and seconds to an accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from suite.report import formats
from suite.report.arms import Group
from suite.report.content import Column, Entry, Figure, Table
from suite.report.convergence import Tuned, converges, doubt, highest, ratio, tuned
from suite.report.landing.number import Number
from suite.report.sections import convergence, options
from suite.report.sections.answers.answer import MOST_ROWS, Main, nothing
from suite.report.sections.wording import some
from suite.report.study import Experiment

LEARNING = (
    Column("algorithm", "algorithm"),
    Column("samples", "samples", True, "median; never: half of the runs or more did not get there"),
    Column("samples_ratio", "× synchronous", True, "samples, seed by seed; below 1 needs fewer"),
    Column("final", "final accuracy", True, "median over runs"),
)


def learning(experiment: Experiment) -> Main:
    """In the setting with most algorithms, at the highest target that synchronous training reached in all its runs."""
    group = max((one for one in experiment.groups if converges(one)), key=lambda one: len(one.arms))
    found = [one for arm in group.arms for one in [tuned(arm)] if one is not None]
    reference = next((one for one in found if one.arm is group.reference), None)
    figure = next(iter(_learning_figures(experiment, group, found, reference)), None)
    efforts = () if reference is None else reference.efforts
    target = max((one.target for one in efforts if one.reached == one.runs), default=None)
    ranked = sorted(found, key=lambda one: one.badness)
    numbers: tuple[Number, ...] = ()
    if reference is not None and target is not None:
        answer, numbers = _against(reference, found, target)
        never = [one.arm.title for one in found if one is not reference and not _reaches(one, target)]
        answer += f"; never there: {some(never)}." if never else "."
    elif (top := highest(found)) is not None:
        number = Number("final accuracy", top.best.arm, top.accuracy)
        numbers = (number,)
        answer = f"{_first_upper(top.best.arm.title)} ends highest, {number.text}{top.doubt}"
        answer += "." if reference is None else "; synchronous training reaches no target in all its runs."
        if len(found) == 1:
            answer = (
                f"{_first_upper(top.best.arm.title)} ends at {number.text}; nothing that ran beside it to compare with."
            )
    else:
        answer = nothing(experiment)
    table = _targets(experiment, ranked, reference, target)
    return Main(answer, numbers, figure, table)


def _against(reference: Tuned, found: Sequence[Tuned], target: float) -> tuple[str, tuple[Number, ...]]:
    """Who needs fewer samples than synchronous training, and who is there sooner, where an interval says so."""
    fewest = _least(reference, found, target, "samples")
    soonest = _least(reference, found, target, "seconds")
    goal, numbers = f"To {formats.share(target)}", [one for one in (fewest,) if one is not None]
    if fewest is None:
        answer = f"{goal}, nothing is known to need fewer samples than synchronous training"
    elif fewest.interval.high < 1:
        unsure = _doubt(fewest, found, target, "samples")
        answer = (
            f"{goal}, {fewest.arm.title} needs the fewest samples: {fewest.text} times those of synchronous training"
        )
        answer += unsure
    else:
        answer = (
            f"{goal}, nothing surely needs fewer samples than synchronous training; the fewest: {fewest.arm.title}, "
        )
        answer += f"{fewest.text} times those"
    if soonest is not None and soonest.interval.high < 1:
        answer += f"; {soonest.arm.title} is there in {soonest.text} times its seconds"
        answer += _doubt(soonest, found, target, "seconds")
        numbers.append(soonest)
    return answer, tuple(numbers)


def _doubt(least: Number, found: Sequence[Tuned], target: float, amount: str) -> str:
    return doubt(next(one for one in found if one.arm is least.arm), found, target, amount)


def _least(reference: Tuned, found: Sequence[Tuned], target: float, amount: str) -> Number | None:
    """Whose ratio to synchronous training is the lowest; those that decide come first."""
    known = [(one, it) for one in found if one is not reference for it in [ratio(one, reference, target, amount)] if it]
    best, interval = min(known, key=lambda one: (not one[1].decides, one[1].value), default=(None, None))
    if best is None or interval is None:
        return None
    return Number(f"{amount}, × synchronous", best.arm, interval, reference.arm.label, target)


def _learning_figures(
    experiment: Experiment, group: Group, found: Sequence[Tuned], reference: Tuned | None
) -> Iterator[Figure]:
    yield from options.figures(experiment, found, reference, "", "")
    yield from convergence.figures(experiment, group, found, "", "")


def _targets(experiment: Experiment, ranked: Sequence[Tuned], reference: Tuned | None, target: float | None) -> Table:
    kept = list(ranked[:MOST_ROWS])
    if reference is not None and reference not in kept:
        kept[-1] = reference
    rows = []
    for one in kept:
        effort = None if target is None else one.effort(target)
        samples = None if effort is None else effort.samples
        against = None if reference is None or target is None or one is reference else ratio(one, reference, target)
        final = float(np.median(one.finals)) if one.finals else None
        never = samples is not None and math.isinf(samples)
        rows.append(
            (
                Entry(one.arm.title, one.arm.label, exact=one.arm.label),
                Entry("never", "never", "hole")
                if never
                else formats.number(samples, None if samples is None else f"{samples:,.0f}"),
                Entry("1", 1.0, "quiet")
                if one is reference
                else formats.number(
                    None if against is None else against.value, formats.around(against, places="ratio")
                ),
                formats.number(final, formats.percent(final, 1)),
            )
        )
    goal = "" if target is None else f" to {formats.share(target)}"
    left_out = f", the best {MOST_ROWS} of {len(ranked)}" if len(ranked) > MOST_ROWS else ""
    tried = max((len(one.tried) for one in kept), default=1)
    rate = "its best learning rate" if tried > 1 else "the one learning rate that was tried"
    caption = f"Samples{goal}, every algorithm at {rate}{left_out}."
    return Table(f"{experiment.slug}-main", caption, LEARNING, tuple(rows))


def _reaches(one: Tuned, target: float) -> bool:
    effort = one.effort(target)
    return effort is None or not math.isinf(effort.samples)


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
