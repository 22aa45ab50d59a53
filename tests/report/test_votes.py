"""What votes cost, on the page of an experiment in which everybody votes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from suite.record.rank import Steps
from suite.record.schema import Record
from suite.report.arms import Arm
from suite.report.landing.number import Number
from suite.report.sections.answers import votes
from suite.report.sections.main import main
from suite.report.study import Study
from suite.statistics import mean
from tests.report import scripted
from tests.report.worlds import quick, studied


def voting(made: Record) -> Record:
    """The same run, with so much of what it computed spent on votes: more with more ranks."""
    part = 0.03 * made.specification.workers

    def columns(steps: Steps) -> Steps:
        assert steps.compute is not None
        votes = tuple(part * one for one in steps.compute)
        computed = tuple(one - vote for one, vote in zip(steps.compute, votes, strict=True))
        return steps.model_copy(update={"compute": computed, "vote": votes})

    ranks = tuple(rank.model_copy(update={"steps": columns(rank.steps)}) for rank in made.ranks)
    return made.model_copy(update={"ranks": ranks})


@pytest.fixture(scope="module")
def study() -> Study:
    return studied(*map(voting, scripted.records("votes")))


def share(arm: Arm) -> float:
    """Of a step, in plain Python from the samples."""
    found = []
    for run in arm.timed:
        assert run.parts is not None and run.parts.vote is not None
        found.append(run.parts.vote / run.parts.seconds)
    return sum(found) / len(found)


def test_the_answer_is_the_largest_and_the_smallest_share(study: Study) -> None:
    (experiment,) = study.experiments
    found = main(experiment, study)
    said = re.fullmatch(
        r"At most ([\d.]+)% .* of a step goes into votes with .*; at least ([\d.]+)% .*\.", found.answer
    )
    assert said is not None, found.answer
    shares = [share(arm) for arm in experiment.arms]
    assert float(said[1]) == pytest.approx(100 * max(shares), abs=0.051)
    assert float(said[2]) == pytest.approx(100 * min(shares), abs=0.051)
    assert found.figure is not None and found.table is not None
    column = [one.key for one in found.table.columns].index("share")
    assert [row[column].value for row in found.table.rows] == sorted(shares, reverse=True)


def test_an_interval_of_a_share_ends_at_zero(study: Study) -> None:
    arm = study.experiments[0].arms[0]
    assert Number("votes in a step", arm, mean([0.0, 0.01, 0.05])).text.startswith("2.0% [0.0%, ")
    assert Number("votes in a step", arm, mean([0.0, 0.0])).text == "0.0% [0.0%, 0.0%]"


def test_beside_who_does_not_vote_speed_is_what_is_asked(study: Study) -> None:
    (experiment,) = studied(*quick()).experiments
    assert not votes.asks(experiment)
    assert not votes.asks(replace(experiment, groups=()))
