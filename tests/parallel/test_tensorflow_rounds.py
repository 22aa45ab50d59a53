"""Rounds in TensorFlow reproduce the virtual driver: step by step where all meet, else by replaying who came when."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.contract import Rounds
from algorithms.mechanisms.quorum.outside import Overwritten
from algorithms.tensorflow import DistributedOptimizer
from algorithms.tensorflow.rounds.driver import RoundsDriver
from algorithms.virtual.replay import recording
from tests.parallel import tensorflow_problem as problem
from tests.parallel.shared_problem import MEETING, STEPS, close, oracle, start

pytestmark = [
    pytest.mark.ranks(3, environment={"HOROVOD_FUSION_THRESHOLD": "0"}),
    pytest.mark.usefixtures("tensorflow_job"),
]


class Run:
    """What one rank did."""

    def __init__(
        self, algorithm: Rounds, optimizer: str, steps: int, rank: int, pause: float = 0.0, slowest: float = 1.0
    ) -> None:
        held = problem.variables(shift=rank)
        wrapped = DistributedOptimizer(problem.OPTIMIZERS[optimizer](), algorithm)
        assert isinstance(wrapped.driver, RoundsDriver)
        self.records = wrapped.driver.keep_records()
        draw = np.random.default_rng(rank)
        factor = slowest if rank == hvd.size() - 1 else 1.0

        @tf.function
        def train(step: tf.Tensor) -> None:
            wrapped.apply(problem.gradients(rank, step, held), held)

        for step in range(steps):
            train(tf.constant(wrapped.driver.worker.life.step if algorithm.tagged else step))
            if pause:
                time.sleep(draw.exponential(pause) * factor)
        wrapped.finish()
        wrapped.finish()
        self.own = problem.flat(held)
        with wrapped.evaluation():
            self.evaluated = problem.flat(held)
        assert np.array_equal(problem.flat(held), self.own)
        self.telemetry = wrapped.telemetry()
        self.traces = train.experimental_get_tracing_count()
        self.wire_traces = wrapped.driver.wire.traces


@pytest.mark.parametrize(("algorithm", "optimizer"), MEETING, ids=str)
def test_meetings_reproduce_the_virtual_trajectory(algorithm: Rounds, optimizer: str, rank: int, ranks: int) -> None:
    expected = oracle(algorithm, optimizer, ranks)
    run = Run(algorithm, optimizer, STEPS, rank)
    close(run.own, expected.workers[rank])
    if algorithm.centre(np.zeros(1)).parameters is not None:
        close(run.evaluated, expected.averages[-1])
    told = run.telemetry
    assert (told.steps, told.rounds, told.used) == (STEPS, expected.rounds, expected.used[rank])
    assert told.bytes_sent == told.rounds * start().nbytes
    assert told.memory_bytes <= told.memory_declared * start().nbytes
    assert run.traces <= 2  # once more where the first trace creates variables
    assert run.wire_traces == 2  # the vote and the payload
    assert told.exposed_vote_seconds is not None
    assert 0 < told.exposed_vote_seconds < told.exposed_seconds


ARRIVING = [
    (algorithms.BackupWorkers(spares=1, averaging=0.9), "adamw"),
    (algorithms.BackupWorkers(spares=1), "momentum"),
    (algorithms.SoftSync(gradients=2), "momentum"),
    (algorithms.SoftSync(gradients=2), "adamw"),
    (algorithms.Asynchronous(), "momentum"),
    (algorithms.Asynchronous(ahead=False), "adamw"),
    (algorithms.Asynchronous(max_staleness=1, staleness_scaling=True, clip_norm=0.5), "momentum"),
    (algorithms.Downpour(period=2), "adamw"),
    (algorithms.Downpour(period=1, server_momentum=0.5, average="running"), "momentum"),
    (algorithms.ElasticAveraging(period=2, asynchronous=True), "momentum"),
    (algorithms.ElasticAveraging(period=2, asynchronous=True, momentum=0.5), "momentum"),
]


@pytest.mark.parametrize(("algorithm", "optimizer"), ARRIVING, ids=str)
def test_arrivals_replayed_in_virtual_time_give_the_same_centre(
    algorithm: Rounds, optimizer: str, rank: int, ranks: int
) -> None:
    run = Run(algorithm, optimizer, 40, rank, pause=0.002, slowest=3.0)
    everybody = hvd.allgather(tf.constant(run.evaluated[None]), name=f"evaluated.{algorithm}").numpy()
    assert np.array_equal(everybody, np.repeat(everybody[:1], ranks, axis=0)), "replicas of the centre differ"
    replayed = recording(algorithm, run.records, ranks)
    trace = oracle(algorithm, optimizer, ranks, steps=0, replay=replayed)
    assert trace.rounds == len(run.records) > 10
    close(run.evaluated, trace.averages[-1])
    ages: dict[int, int] = {}
    for record in run.records:
        for contribution in record.taken:
            if contribution.worker == rank:
                age = record.round - contribution.read
                ages[age] = ages.get(age, 0) + 1
    assert dict(run.telemetry.staleness) == ages
    assert run.telemetry.used == sum(ages.values()) == trace.used[rank]


def counting(algorithm: Rounds) -> tuple[DistributedOptimizer, keras.Variable, Callable[[int], None]]:
    """A variable whose gradient is one, and what trains it so many steps."""
    held = keras.Variable(np.zeros(3), dtype="float64")
    wrapped = DistributedOptimizer(keras.optimizers.SGD(0.125), algorithm)
    step = tf.function(lambda: wrapped.apply([tf.ones(3, tf.float64)], [held]))

    def train(steps: int) -> None:
        for _ in range(steps):
            step()

    return wrapped, held, train


@pytest.mark.parametrize("algorithm", [algorithms.Asynchronous(), algorithms.SoftSync(gradients=1)], ids=str)
def test_a_learning_rate_set_behind_finish_is_in_force_at_once(algorithm: Rounds, rank: int) -> None:
    wrapped, held, train = counting(algorithm)
    train(5 + rank)
    wrapped.finish()
    before = held.numpy()
    wrapped.learning_rate = 0.0
    train(3)
    wrapped.finish()
    assert np.array_equal(held.numpy(), before)


def test_a_warm_up_is_over_behind_finish(rank: int) -> None:
    wrapped, _, train = counting(algorithms.LocalSGD(period=10, warmup=3))
    train(13 - rank)
    wrapped.finish()
    train(9)
    assert wrapped.telemetry().rounds == 4  # of steps 0, 1, 2 and 12
    train(1)
    assert wrapped.telemetry().rounds == 5
    wrapped.finish()


@pytest.mark.parametrize("algorithm", [algorithms.SoftSync(gradients=1), algorithms.LocalSGD(period=2)], ids=str)
def test_a_rank_without_a_step_since_the_last_finish_serves_the_others(algorithm: Rounds, rank: int) -> None:
    wrapped, held, train = counting(algorithm)
    train(2)
    wrapped.finish()
    before = wrapped.telemetry().rounds
    train(0 if rank == 1 else 4)
    wrapped.finish()
    assert wrapped.telemetry().rounds == before + (8 if isinstance(algorithm, algorithms.SoftSync) else 2)
    if isinstance(algorithm, algorithms.SoftSync):
        assert held.numpy() == pytest.approx([-0.125 * (6 + 8)] * 3)


def test_who_changes_variables_beside_the_centre_is_told_once(rank: int) -> None:
    wrapped, held, train = counting(algorithms.BackupWorkers(spares=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Overwritten)
        train(3)
        wrapped.finish()
        train(2)
        with wrapped.evaluation():
            pass
    held.assign(np.full(3, 7.0))
    with pytest.warns(Overwritten, match=r"backup_workers.* takes their place") as told:
        wrapped.finish()
        held.assign(np.full(3, 7.0))
        wrapped.finish()
        assert held.numpy().tolist() == [7.0] * 3, "nobody has trained since"
        train(1)
    assert len([warning for warning in told if warning.category is Overwritten]) == 1
    wrapped.finish()
    assert held.numpy().tolist() == [-0.125 * 6] * 3
