"""What a record tells other tools, whatever the tool."""

from __future__ import annotations

import pytest

from suite.export.story import tell
from suite.record.outcome import Failed, Reason
from suite.record.rank import Telemetry
from suite.record.schema import Evaluation
from tests.record.examples import record, specification, steps

POINT = Evaluation(step=3, samples=48, bytes_sent=10, seconds=0.3, wall_seconds=0.4, loss=1.0, top1=0.5)


def test_steps_are_means_over_ranks_counted_from_the_warm_up() -> None:
    first, second = record().ranks
    uneven = record(ranks=(first, second.model_copy(update={"steps": steps(2, 0.3, 4.0)})))
    points = tell(uneven).points
    assert [point.step for point in points] == [0, 1, 2, 3]
    assert points[0].numbers["warmup/loss"] == 2.0
    assert [point.numbers["train/loss"] for point in points[1:]] == [3.0, 3.0, 2.0], "the last step is one rank's alone"
    assert points[1].numbers["train/seconds"] == pytest.approx(0.2)
    assert "train/exposed" not in points[1].numbers, "what nobody measured is no zero"


def test_a_loss_that_is_no_number_is_left_out() -> None:
    rank = record().ranks[0].model_copy(update={"steps": steps(3, 0.1, float("nan"))})
    last = tell(record(specification(workers=1), ranks=(rank,))).points[-1]
    assert last.numbers.keys() == {"train/seconds"}


def test_evaluations_stand_at_their_steps() -> None:
    found = tell(record(evaluations=(POINT,))).points[-1]
    assert found.step == 3
    assert found.numbers == {"evaluation/loss": 1.0, "evaluation/top1": 0.5, "evaluation/samples": 48.0}


def test_settings_are_flat_and_a_failure_says_why() -> None:
    told = tell(record(outcome=Failed(reason=Reason.HUNG, message="no end"), ranks=()))
    assert told.settings["model.name"] == "alexnet"
    assert told.settings["algorithm.options.overlap"] is False
    assert (told.finished, told.tags["status"], told.tags["reason"]) == (False, "failed", "hung")
    assert told.points == ()


def test_counts_are_summed_over_ranks() -> None:
    counted = Telemetry(rounds=4, bytes_sent=10, staleness={1: 3, 3: 1})
    ranks = tuple(rank.model_copy(update={"telemetry": counted}) for rank in record().ranks)
    summary = tell(record(ranks=ranks)).summary
    assert (summary["total/rounds"], summary["total/bytes_sent"]) == (4.0, 20.0)
    assert summary["total/staleness_mean"] == 1.5
