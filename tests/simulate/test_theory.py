"""Order statistics, staleness, and the virtual cluster as the reference of who comes when."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest

import algorithms
from algorithms.contract import Rounds
from algorithms.virtual import SGD, Cluster, Instant, Ring
from algorithms.virtual.compute import Draw, Spent
from suite.simulate import Machines, Workload, predict
from suite.simulate.meeting import period_of
from suite.simulate.times import Times, draw

UNIT = Workload.of(tensors=[(1000, 0.5), (1000, 0.2)], step_seconds=1.0, name="unit")


def perfect(workers: int, stragglers: str | None = None, **more: float) -> Machines:
    return Machines(workers=workers, gbit=math.inf, latency_us=0, stragglers=stragglers, **more)  # type: ignore[arg-type]


def harmonic(count: int) -> float:
    return sum(1 / k for k in range(1, count + 1))


@pytest.mark.parametrize(("workers", "spares"), [(100, 0), (100, 4), (100, 6), (16, 2)])
def test_quorums_take_what_order_statistics_say(workers: int, spares: int) -> None:
    tiny = Workload.of(tensors=[(1000, 1e-9)], step_seconds=1e-6, name="tiny")
    machines = perfect(workers, "exponential:mean=1s,limit=1000s")
    rule = algorithms.BackupWorkers(spares=spares, give_up=True)
    found = predict(tiny, machines, rule, steps=20_000 if workers < 100 else 8000)
    assert found.step_seconds.mean == pytest.approx(harmonic(workers) - harmonic(spares), rel=0.01)
    assert found.useful == pytest.approx((workers - spares) / workers)


def test_waiting_for_all_is_the_largest_of_them() -> None:
    tiny = Workload.of(tensors=[(1000, 1e-9)], step_seconds=1e-6, name="tiny")
    found = predict(tiny, perfect(16, "exponential:mean=1s,limit=1000s"), algorithms.Synchronous(), steps=20_000)
    assert found.step_seconds.mean == pytest.approx(harmonic(16), rel=0.01)
    assert found.step_seconds.low < harmonic(16) < found.step_seconds.high


def test_nine_of_ten_runs_fall_into_the_interval() -> None:
    """Of a run as long as the prediction, with delays of its own: the interval of the simulated mean holds eight."""
    machines = perfect(4, "exponential:mean=0.5x")
    found = [
        predict(UNIT, machines, algorithms.Synchronous(), steps=108, seed=seed).step_seconds for seed in range(400)
    ]
    held = [one.low <= other.mean <= one.high for one, other in itertools.pairwise(found)]
    assert 0.86 < np.mean(held) < 0.94


@pytest.mark.parametrize("workers", [2, 7, 32])
def test_serial_asynchronous_training_is_n_minus_1_stale(workers: int) -> None:
    machines = perfect(workers, "exponential:mean=0.5x")
    behind = algorithms.Asynchronous(ahead=False)
    found = predict(UNIT, machines, behind, arrivals="serial", steps=400)
    assert found.staleness.mean == pytest.approx(workers - 1, rel=0.02)
    assert found.staleness.low <= found.staleness <= found.staleness.high


@dataclass(frozen=True)
class Drawn:
    """The times of a prediction, delays apart from what goes on behind them; they repeat when they are used up."""

    times: Times

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        one = self.times.for_all()
        steps = itertools.cycle(zip(one.shares[:, worker] * UNIT.step_seconds, one.delays[:, worker], strict=True))
        return lambda: Spent(*map(float, next(steps)))


REFERENCE: list[Rounds] = [
    algorithms.BackupWorkers(spares=1),
    algorithms.BackupWorkers(spares=3),
    algorithms.BackupWorkers(spares=2, give_up=True),
    algorithms.Asynchronous(),
    algorithms.Asynchronous(ahead=False),
    algorithms.SoftSync(gradients=3),
    algorithms.Downpour(period=3),
    algorithms.ElasticAveraging(period=4, asynchronous=True, moving_rate=0.5, order="gradient_first"),
    algorithms.ElasticAveraging(period=4, asynchronous=True, moving_rate=0.5),
    algorithms.ElasticAveraging(period=4),
    algorithms.LocalSGD(period=5),
    algorithms.LocalSGD(period=5, overlap=2),
    algorithms.Adasum(),
]


@pytest.mark.parametrize("seconds", [0.0, 0.07, 0.9], ids=["instant", "quick", "slow"])
@pytest.mark.parametrize("algorithm", REFERENCE, ids=[f"{one.name}-{i}" for i, one in enumerate(REFERENCE)])
def test_rounds_close_when_the_virtual_cluster_says(algorithm: Rounds, seconds: float) -> None:
    """Both are given the same times, so that nothing but who comes when can differ."""
    workers, steps = 8, 600
    # An exchange of these few bytes is one of `seconds`, votes take nothing worth mentioning.
    message = seconds * 1e6
    machines = perfect(workers, "exponential:mean=0.6x", message_us=message)
    drawn = draw(UNIT, machines, steps, seed=0)
    everyone = algorithm.quorum(workers) == workers
    network = (
        Ring(bandwidth=1e30, latency=seconds / 14, vote_seconds=0 if everyone else seconds) if seconds else Instant()
    )
    cluster = Cluster(
        workers=workers,
        algorithm=algorithm,
        optimizer=SGD(learning_rate=0.0),
        parameters=np.zeros(1),
        gradient=lambda worker, step, x: x,
        compute=Drawn(drawn),
        network=network,
    )
    trace = cluster.run(steps=steps, record=0)
    found = predict(UNIT, machines, algorithm, steps=steps)
    period = period_of(algorithm.meets)
    contributions = len(trace.staleness)
    if algorithm.tagged:
        expected = trace.seconds[-1] / trace.rounds
    else:
        expected = trace.seconds[-1] * workers / (contributions * period)
    assert found.step_seconds.mean == pytest.approx(expected, rel=0.03)
    assert float(found.staleness) == pytest.approx(float(np.mean(trace.staleness)), abs=0.25)
