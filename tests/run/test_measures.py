"""Series that are compared mean what they say, in step and out of step."""

from __future__ import annotations

import math

import numpy as np
import pytest

from suite.run import measures
from suite.run.record import Rank, Steps, Telemetry
from suite.run.specification import Algorithm
from tests.run.examples import record, specification


def rank(number, seconds, count, start=0.0, **columns):
    started = tuple(start + index * seconds for index in range(count))
    steps = Steps(started=started, seconds=(seconds,) * count, loss=(1.0,) * count, **columns)
    return Rank(rank=number, host="here", process=1, steps=steps)


def run(algorithm, options, *ranks):
    chosen = specification(algorithm=Algorithm(name=algorithm, options=options), workers=len(ranks), batch_size=8)
    return record(chosen, ranks=ranks)


def test_a_step_is_over_when_the_slowest_rank_is():
    found = run("synchronous", {"overlap": False}, rank(0, 0.1, 20), rank(1, 0.12, 20))
    assert measures.in_step(found)
    assert measures.steps(found) == pytest.approx([0.12] * 20)
    assert measures.samples_per_second(found) == pytest.approx(2 * 8 / 0.12)


def test_out_of_step_the_job_is_as_fast_as_its_ranks_together():
    """Three ranks of 0.1 s and one of 0.4 s: 32.5 steps a second, so a batch per worker in 4 / 32.5 s."""
    ranks = [rank(number, 0.1, 200) for number in range(3)] + [rank(3, 0.4, 50)]
    found = run("asynchronous", {}, *ranks)
    assert not measures.in_step(found)
    assert np.mean(measures.global_steps(found)) == pytest.approx(4 / 32.5, rel=0.02)


def test_ranks_that_work_alone_do_not_count():
    found = run("asynchronous", {}, rank(0, 0.1, 10), rank(1, 0.1, 100, start=0.5))
    assert measures.shared_window(found) == pytest.approx((0.5, 1.0))
    assert len(measures.global_steps(found)) == 5


def test_ranks_that_never_worked_together_give_nothing():
    found = run("asynchronous", {}, rank(0, 0.1, 10), rank(1, 0.1, 10, start=5.0))
    assert measures.shared_window(found) is None
    assert math.isnan(measures.samples_per_second(found))


def test_a_quorum_of_all_is_in_step_and_of_some_is_not():
    two = rank(0, 0.1, 5), rank(1, 0.1, 5)
    assert measures.in_step(run("local_sgd", {"period": 4}, *two))
    assert measures.in_step(run("backup_workers", {"spares": 0}, *two))
    assert not measures.in_step(run("backup_workers", {"spares": 1}, *two))


def test_what_was_dropped_is_not_used():
    telemetry = Telemetry(contributions_used=3, contributions_dropped=1)
    found = run("backup_workers", {"spares": 1}, rank(0, 0.1, 5).model_copy(update={"telemetry": telemetry}))
    assert measures.used_share(found) == 0.75
    assert measures.used_share(run("synchronous", {}, rank(0, 0.1, 5))) == 1


def test_parts_add_up_and_unknown_ones_stay_unknown():
    found = measures.parts(rank(0, 0.1, 5, compute=(0.06,) * 5, exposed=(0.03,) * 5))
    assert (found.compute, found.exposed) == (0.06, 0.03)
    assert math.isnan(found.wait)
    assert found.other == pytest.approx(0.01)
