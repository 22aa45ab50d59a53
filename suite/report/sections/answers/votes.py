"""What votes cost: the share of a step that workers stand still to agree on who takes part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suite import statistics
from suite.report import formats
from suite.report.arms import Arm
from suite.report.content import Column, Entry, Table
from suite.report.landing.number import Number
from suite.report.sections import speed_figures
from suite.report.sections.answers.answer import MOST_ROWS, Main, nothing
from suite.report.sections.wording import describe, value, varying
from suite.report.study import Experiment, Study
from suite.statistics import Interval

VOTES = (
    Column("algorithm", "algorithm"),
    Column("vote", "votes, ms", True, "per step, standing still; mean over runs"),
    Column("share", "of a step", True, "95 % interval"),
)


@dataclass(frozen=True)
class Voting:
    """One algorithm in one setting."""

    arm: Arm
    seconds: float  # of votes, per step
    share: Interval  # of the step


def asks(experiment: Experiment) -> bool:
    """Whether all that is compared are algorithms that vote."""
    return bool(experiment.arms) and all(arm.timed and _of(arm) is not None for arm in experiment.arms)


def votes(experiment: Experiment, study: Study) -> Main:
    found = [one for arm in experiment.arms for one in [_of(arm)] if one is not None]
    figure = next(iter(speed_figures.decomposition(experiment, study)), None)
    if not found:
        return Main(nothing(experiment), figure=figure)
    ranked = sorted(found, key=lambda one: -one.share.value)
    axes = varying(group.setting for group in experiment.groups)
    most, least = (Number("votes in a step", one.arm, one.share) for one in (ranked[0], ranked[-1]))
    answer = f"At most {_said(most, axes)}"
    if len(ranked) > 1:
        answer += f"; at least {_said(least, axes)}"
    return Main(f"{answer}.", (most, least)[: len(ranked)], figure, _table(experiment, ranked, axes))


def _said(number: Number, axes: Sequence[str]) -> str:
    place = describe(number.setting, axes)
    return f"{number.text} of a step goes into votes with {number.arm.title}{f' ({place})' if place else ''}"


def _of(arm: Arm) -> Voting | None:
    parts = [run.parts for run in arm.timed if run.parts is not None]
    told = [(one.vote, one.seconds) for one in parts if one.vote is not None]
    if not told:
        return None
    share = statistics.mean([vote / seconds for vote, seconds in told])
    return Voting(arm, sum(vote for vote, _ in told) / len(told), share)


def _table(experiment: Experiment, ranked: Sequence[Voting], axes: Sequence[str]) -> Table:
    rows = tuple(
        (
            *(Entry(value(one.arm.setting, axis), value(one.arm.setting, axis)) for axis in axes),
            Entry(one.arm.title, one.arm.label, exact=one.arm.label),
            formats.number(1000 * one.seconds),
            formats.number(one.share.value, Number("votes in a step", one.arm, one.share).text),
        )
        for one in ranked[:MOST_ROWS]
    )
    left_out = f" The {MOST_ROWS} of {len(ranked)} cases with most." if len(ranked) > MOST_ROWS else ""
    columns = (*(Column(axis, axis) for axis in axes), *VOTES)
    return Table(f"{experiment.slug}-main", f"What votes take of a step, the most first.{left_out}", columns, rows)
