"""How much faster: the largest gain over synchronous training, and where there is least to gain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from suite.report import formats, words
from suite.report.arms import Group
from suite.report.content import Column, Entry, Figure, Table
from suite.report.landing.number import Number
from suite.report.sections import sensitivity, speed_figures
from suite.report.sections.answers.answer import MOST_ROWS, Main, nothing
from suite.report.sections.speed import ratio_entry
from suite.report.sections.wording import describe, value, varying
from suite.report.study import Experiment, Study
from suite.report.winners import choices_of, winner

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


def speed(experiment: Experiment, study: Study) -> Main:
    figure = next(iter(_speed_figures(experiment, study)), None)
    found = [(group, best) for group in experiment.groups for best in [_fastest(group, study)] if best is not None]
    if not found:
        return Main(nothing(experiment), figure=figure)
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
