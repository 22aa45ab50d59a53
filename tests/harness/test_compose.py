"""What ranks wrote becomes columns; standing still is told apart into waiting for others and waiting for the wire."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from suite.experiment.live import Live
from suite.harness import compose
from suite.rank.samples import EvaluationPart, RankFile, RankWriter, Step, read_rank
from suite.record.specification import Algorithm
from suite.training.evaluation import Evaluation
from tests.record.examples import specification


def files(*ranks):
    return [RankFile(rank=number, host="here", steps=tuple(steps)) for number, steps in enumerate(ranks)]


def step(number, started, compute, blocked, injected=0.0, update=0.0):
    seconds = compute + blocked + injected + update
    return Step(number, False, started, seconds, 1.0, compute, blocked, update=update, injected=injected)


def composed(found, name, **options):
    return compose.ranks_of(
        found, Live(specification(algorithm=Algorithm(name=name, options=options), workers=len(found)))
    )


def test_a_fast_rank_waits_for_the_slow_one_and_then_both_for_the_wire():
    fast = [step(0, 0.0, 0.1, 0.35)]
    slow = [step(0, 0.0, 0.1, 0.05, injected=0.3)]
    one, other = composed(files(fast, slow), "synchronous", overlap=False)
    assert one.steps.wait == pytest.approx((0.3,))
    assert one.steps.exposed == pytest.approx((0.05,))
    assert other.steps.wait == pytest.approx((0.0,))
    assert other.steps.exposed == pytest.approx((0.05,))
    assert other.steps.injected == (0.3,)


def test_a_delayed_step_waits_for_the_exchange_of_k_steps_ago():
    fast = [step(0, 0.0, 0.1, 0.0), step(1, 0.1, 0.1, 0.4)]
    slow = [step(0, 0.0, 0.5, 0.0), step(1, 0.5, 0.5, 0.0)]
    fast_rank, _ = composed(files(fast, slow), "delayed", steps=1)
    assert fast_rank.steps.wait == pytest.approx(
        (0.0, 0.3)
    )  # the slow one's step 0 was ready at 0.5, it stood from 0.2
    assert fast_rank.steps.exposed == pytest.approx((0.0, 0.1))


def test_rounds_without_the_last_ones_have_nobody_to_wait_for():
    ranks = composed(files([step(0, 0.0, 0.1, 0.3)], [step(0, 0.0, 0.4, 0.0)]), "backup_workers", spares=1)
    assert ranks[0].steps.wait is None
    assert ranks[0].steps.exposed == (0.3,)


def test_votes_are_told_apart_from_the_wire():
    voted = replace(step(0, 0.0, 0.1, 0.3), vote=0.2)
    (alone, _) = composed(files([voted], [voted]), "backup_workers", spares=1)
    assert alone.steps.vote == pytest.approx((0.2,))
    assert alone.steps.exposed == pytest.approx((0.1,))
    late = replace(step(0, 0.0, 0.35, 0.05), vote=0.01)
    fast, slow = composed(files([voted], [late]), "backup_workers", spares=0)
    assert fast.steps.wait == pytest.approx((0.25,))  # and votes went on while the other computed
    assert fast.steps.vote == pytest.approx((0.05,))
    assert fast.steps.exposed == pytest.approx((0.0,))
    assert slow.steps.vote == pytest.approx((0.01,))
    assert slow.steps.exposed == pytest.approx((0.04,))


def test_a_traced_function_waits_for_its_own_layers():
    fast, slow = [step(0, 0.0, 0.1, 0.35)], [step(0, 0.0, 0.4, 0.05)]
    of = specification(framework="tensorflow", algorithm=Algorithm(name="layerwise", options={"order": "forward"}))
    one, other = compose.ranks_of(files(fast, slow), Live(of))
    assert one.steps.wait == pytest.approx((0.3,))
    assert other.steps.wait == pytest.approx((0.0,))


def test_what_nobody_measured_stays_unknown():
    unknown = [Step(0, False, 0.0, 0.1, 1.0)]
    (rank, _) = composed(files(unknown, unknown), "synchronous", overlap=False)
    assert rank.steps.compute is None
    assert rank.steps.exposed is None
    assert rank.steps.wait is None
    assert rank.steps.seconds == (0.1,)


@pytest.mark.parametrize("name", ["synchronous", "layerwise", "delayed", "local_sgd"])
def test_parts_never_exceed_the_step(name):
    ranks = [[step(n, n * 0.2 + r * 0.01, 0.1 + 0.02 * r, 0.05, injected=0.01 * n) for n in range(6)] for r in range(3)]
    for rank in composed(files(*ranks), name):
        columns = rank.steps
        for index, seconds in enumerate(columns.seconds):
            known = [columns.compute, columns.injected, columns.exposed, columns.wait, columns.update]
            assert sum(column[index] for column in known if column is not None) <= seconds + 1e-9
            assert all(column[index] >= 0 for column in known if column is not None)


def part(seen, samples, right, step=5):
    counts = Evaluation(samples=samples, loss_sum=2.0 * samples, top1_count=right, top5_count=samples)
    return EvaluationPart(step=step, seen=seen, bytes_sent=7, seconds=1.0 + samples, wall_seconds=2.0, counts=counts)


def test_evaluations_add_up_over_ranks():
    found = [
        RankFile(rank=0, evaluations=(part(100, 10, 9),)),
        RankFile(rank=1, evaluations=(part(100, 30, 15),)),
    ]
    (evaluation,) = compose.evaluations_of(found)
    assert evaluation.top1 == pytest.approx(24 / 40)
    assert evaluation.loss == pytest.approx(2.0)
    assert (evaluation.samples, evaluation.seconds) == (100, 31.0)


def test_ranks_that_are_out_of_step_evaluate_at_their_meetings():
    found = [
        RankFile(rank=0, evaluations=(part(80, 10, 9, step=10), part(160, 10, 10, step=20))),
        RankFile(rank=1, evaluations=(part(16, 10, 7, step=2), part(32, 10, 8, step=4))),
    ]
    first, second = compose.evaluations_of(found)
    assert (first.step, first.samples, first.top1) == (6, 48, 0.8)
    assert (second.step, second.samples, second.top1) == (12, 96, 0.9)


def test_an_evaluation_that_a_rank_did_not_take_part_in_is_none():
    assert compose.evaluations_of([RankFile(rank=0, evaluations=(part(100, 10, 9),)), RankFile(rank=1)]) == ()


def test_targets_are_reached_at_their_first_evaluation_or_never():
    found = compose.evaluations_of([RankFile(rank=0, evaluations=(part(100, 10, 9),))])
    reached = compose.reached_of(found, (0.8, 0.9, 0.95))
    assert [one.target for one in reached] == [0.8, 0.9]
    assert reached[0].samples == 100


def test_promises_of_equal_parameters():
    def promise(name, last_step=9, **options):
        chosen = specification(algorithm=Algorithm(name=name, options=options))
        return compose.replicas_agree(Live(chosen), last_step)

    assert promise("synchronous")
    assert promise("delayed", steps=2)
    assert promise("elastic_averaging")
    assert promise("torch_ddp")
    assert not promise("no_communication")
    assert promise("local_sgd", 7, period=4)
    assert not promise("local_sgd", 8, period=4)
    assert not promise("local_sgd", 7, period=4, overlap=2)


def test_a_file_cut_off_in_the_middle_of_a_line_gives_what_is_whole(tmp_path):
    writer = RankWriter(tmp_path, 3)
    writer.event("begin", host="h", process=7, time=1.0)
    for number in range(4):
        writer.step(Step(number, number < 1, 0.1 * number, 0.1, math.nan))
    writer.close()
    whole = writer.path.read_bytes()
    for length in range(len(whole)):
        writer.path.write_bytes(whole[:length])
        found = read_rank(writer.path)
        assert found.rank == 3
        assert len(found.steps) <= 4
        assert found.end is None
    writer.path.write_bytes(whole)
    assert [one.number for one in read_rank(writer.path).steps] == [0, 1, 2, 3]
