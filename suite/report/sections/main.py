"""An experiment's answer: one sentence with its numbers, one picture, one table of few rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from suite.report import formats, words
from suite.report.arms import Arm, Group
from suite.report.content import Column, Entry, Figure, Table
from suite.report.convergence import Tuned, converges, doubt, highest, ratio, tuned
from suite.report.landing.number import Number
from suite.report.sections import convergence, declared, options, recoveries, sensitivity, speed_figures
from suite.report.sections.speed import ratio_entry
from suite.report.sections.wording import describe, plural, some, value, varying
from suite.report.study import Experiment, Study
from suite.report.winners import choices_of, winner
from suite.statistics import Interval

MOST_ROWS = 8
SPEED = (
    Column("algorithm", "algorithm"),
    Column("samples_per_second", "samples/s", True, "of all workers together; dropped work does not count"),
    Column("speedup", "× synchronous", True, "above 1 is faster; 95 % interval"),
    Column("over_control", "× stock Horovod", True),
    Column("efficiency", "of the ceiling", True, "share of the speed without any communication"),
)
BEST = (
    Column("algorithm", "fastest"),
    Column("speedup", "× synchronous", True, "above 1 is faster; 95 % interval"),
    Column("over_control", "× stock Horovod", True),
    Column("sure", "how sure"),
)
LEARNING = (
    Column("algorithm", "algorithm"),
    Column("samples", "samples", True, "median; never: half of the runs or more did not get there"),
    Column("samples_ratio", "× synchronous", True, "samples, seed by seed; below 1 needs fewer"),
    Column("final", "final accuracy", True, "median over runs"),
)
MEMORY = (
    Column("algorithm", "algorithm"),
    Column("declared", "declared, copies", True, "extra memory in copies of the parameters"),
    Column("found", "found, copies", True, "measured while training where that was done, else held at the end"),
)


@dataclass(frozen=True)
class Main:
    answer: str
    numbers: tuple[Number, ...] = ()
    figure: Figure | None = None
    table: Table | None = None


def main(experiment: Experiment, study: Study) -> Main:
    faulty = recoveries.faulty(experiment)
    if faulty:
        return Main(recoveries.answer(faulty), table=recoveries.table(experiment, faulty))
    if any(converges(group) for group in experiment.groups):
        return _learning(experiment)
    if experiment.arms and all(arm.for_memory for arm in experiment.arms):
        return _memory(experiment)
    return _speed(experiment, study)


def _speed(experiment: Experiment, study: Study) -> Main:
    figure = next(iter(_speed_figures(experiment, study)), None)
    found = [(group, best) for group in experiment.groups for best in [_fastest(group, study)] if best is not None]
    if not found:
        return Main(_nothing(experiment), figure=figure)
    axes = _axes(experiment)
    ranked = sorted(found, key=lambda one: one[1].interval.value)
    lowest, highest = ranked[0], ranked[-1]
    said = [f"At best {_gain(highest, axes, study)}"]
    numbers = [highest[1]]
    if lowest is not highest:
        said.append(f"where there is least to gain, {_gain(lowest, axes, study)}")
        numbers.append(lowest[1])
    answer = f"{'; '.join(said)}."
    several = len(experiment.groups) > 2
    table = (
        _by_setting(experiment, study, found, axes) if several else _by_algorithm(experiment, study, found[-1][0], axes)
    )
    return Main(answer, tuple(numbers), figure, table)


def _axes(experiment: Experiment) -> tuple[str, ...]:
    """What tells its settings apart for a reader; the names of environments say nothing."""
    return tuple(axis for axis in varying(group.setting for group in experiment.groups) if axis != "environment")


def _speed_figures(experiment: Experiment, study: Study) -> Iterator[Figure]:
    yield from sensitivity.figures(experiment, study)
    yield from speed_figures.speedups(experiment, study)


def _gain(found: tuple[Group, Number], axes: Sequence[str], study: Study) -> str:
    group, number = found
    place, won = describe(group.setting, axes), winner(group, study)
    tie = won is not None and len(won.equals) > 0 and number.arm in (won.arm, *won.equals)
    text = f"{number.text} times as fast as synchronous training with {number.arm.title}"
    return text + (f" ({place})" if place else "") + ", which others tie with" * tie


def _fastest(group: Group, study: Study) -> Number | None:
    able = [(arm, over) for arm in choices_of(group) for over in [study.of(arm).over_reference] if over is not None]
    if group.reference is None or not able:
        return None
    arm, over = max(able, key=lambda one: one[1].ratio.value)
    return Number("× synchronous", arm, over.ratio, group.reference.label)


def _by_setting(
    experiment: Experiment, study: Study, found: Sequence[tuple[Group, Number]], axes: Sequence[str]
) -> Table:
    """The largest gains; all settings are in the table below."""
    kept = sorted(found, key=lambda one: -one[1].interval.value)[:MOST_ROWS]
    shown = [one for one in found if one in kept]
    rows = []
    for group, number in shown:
        arm, measures = number.arm, study.of(number.arm)
        won = winner(group, study)
        sure = "unknown: too few runs" if won is None else "beats all others" if won.alone else "a tie"
        tone = "good" if won is not None and won.alone else "quiet"
        rows.append(
            (
                *(Entry(_axis(group, axis), _axis(group, axis)) for axis in axes),
                Entry(arm.title, arm.label, exact=arm.label),
                ratio_entry(measures.over_reference, False),
                ratio_entry(measures.over_control, arm is group.control),
                Entry(sure, sure, tone),
            )
        )
    columns = (*(Column(axis, axis) for axis in axes), *BEST)
    left_out = f" The {MOST_ROWS} settings of {len(found)} where it gains most." if len(found) > MOST_ROWS else ""
    return Table(f"{experiment.slug}-main", f"The fastest algorithm of each setting.{left_out}", columns, tuple(rows))


def _axis(group: Group, axis: str) -> str:
    return words.straggler(group.setting.straggler) if axis == "straggler" else value(group.setting, axis)


def _by_algorithm(experiment: Experiment, study: Study, group: Group, axes: Sequence[str]) -> Table:
    ranked = sorted((arm for arm in group.arms if study.of(arm).step), key=lambda arm: -study.speed(arm))
    rows = []
    for arm in ranked[:MOST_ROWS]:
        measures = study.of(arm)
        share = measures.of_ceiling
        ceiling = 1.0 if arm is group.ceiling else None if share is None else share.ratio.value
        rows.append(
            (
                Entry(arm.title, arm.label, exact=arm.label),
                formats.number(study.speed(arm)),
                ratio_entry(measures.over_reference, arm is group.reference),
                ratio_entry(measures.over_control, arm is group.control),
                formats.number(ceiling, formats.percent(ceiling)),
            )
        )
    left_out = f", the fastest {MOST_ROWS} of {len(ranked)}" if len(ranked) > MOST_ROWS else ""
    place = describe(group.setting, axes)
    caption = f"Algorithms by speed{f' ({place})' if place else ''}{left_out}."
    return Table(f"{experiment.slug}-main", caption, SPEED, tuple(rows))


def _learning(experiment: Experiment) -> Main:
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
        answer = _nothing(experiment)
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


def _memory(experiment: Experiment) -> Main:
    rows = [row for group in experiment.groups for arm in group.arms for row in [declared.copies(arm, group)] if row]
    figure = next(iter(declared.pictures(experiment)), None)
    if not rows:
        return Main(_nothing(experiment), figure=figure)
    axes = varying(group.setting for group in experiment.groups)
    ranked = sorted(rows, key=lambda row: -(row.found if row.found is not None else row.declared))
    more = [row for row in rows if row.more]
    most = ranked[0]
    amount = most.found if most.found is not None else most.declared
    place = describe(most.arm.setting, axes)
    number = Number("copies of the parameters", most.arm, Interval(amount, -math.inf, math.inf, 0.95, 1))
    answer = f"Up to {number.middle} copies of the parameters: {most.arm.title}{f' ({place})' if place else ''}."
    shown = tuple(
        (
            *(Entry(_axis_of(row.arm, axis), _axis_of(row.arm, axis)) for axis in axes),
            Entry(row.arm.title, row.arm.label, exact=row.arm.label),
            formats.number(row.declared),
            formats.number(row.found),
        )
        for row in ranked[:MOST_ROWS]
    )
    caption = "Extra memory, the most first." if len(ranked) <= MOST_ROWS else f"Extra memory, the most {MOST_ROWS}."
    columns = (*(Column(axis, axis) for axis in axes), *MEMORY)
    caption += f" {len(more)} of {plural(len(rows), 'case')} hold more than they declare."
    return Main(answer, (number,), figure, Table(f"{experiment.slug}-main", caption, columns, shown))


def _axis_of(arm: Arm, axis: str) -> str:
    return value(arm.setting, axis)


def _nothing(experiment: Experiment) -> str:
    runs = [run for arm in experiment.arms for run in arm.runs]
    finished = sum(run.record.finished for run in runs)
    if not finished:
        return (
            f"No answer: none of {plural(len(runs), 'run')} finished. Run it again: farandole bench {experiment.name}"
        )
    return (
        f"No answer yet: {finished} of {plural(len(runs), 'run')} finished, but no algorithm beside synchronous training. "
        f"The whole experiment is farandole bench {experiment.name}"
    )


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
