"""The same times for the virtual cluster, asked for one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import algorithms
from algorithms.virtual import SGD, Cluster
from suite.cluster.stragglers import parse
from suite.simulate import Machines, Workload, predict
from tests.simulate.nets import SMALL

ALIKE = Workload.of(tensors=[4000] * 8, step_seconds=1.0, name="alike")  # as the virtual cluster shares a step out


def cluster(machines: Machines, algorithm: algorithms.Algorithm, workload: Workload = SMALL) -> Cluster:
    return Cluster(
        workers=machines.workers,
        algorithm=algorithm,
        optimizer=SGD(learning_rate=0.0),
        parameters=np.zeros(workload.elements, dtype=np.float32),
        gradient=lambda worker, step, x: x,
        compute=workload.compute(machines),
        network=machines.network(),
        layers=[layer.elements for layer in workload.layers],
    )


def test_an_exchange_takes_what_it_takes_in_a_prediction() -> None:
    machines = Machines(workers=8, per_host=2, gbit=1, latency_us=100)
    network = machines.network()
    sent = 2 * 7 / 8 * SMALL.parameter_bytes
    assert network.seconds(sent, 8) == pytest.approx(machines.costs.seconds(SMALL.parameter_bytes))
    assert network.seconds(sent, 1) == 0.0
    assert network.seconds(sent, 2) < network.seconds(sent, 8)
    assert network.vote(8) == machines.costs.vote > 0


@pytest.mark.parametrize("algorithm", [algorithms.BackupWorkers(spares=1), algorithms.LocalSGD(period=4)])
@pytest.mark.parametrize("straggler", [None, "constant:factor=3,rank=1", "lognormal:sigma=0.5,mean=0.3x"])
def test_the_virtual_cluster_and_a_prediction_agree(
    algorithm: algorithms.BackupWorkers | algorithms.LocalSGD, straggler: str | None
) -> None:
    machines = Machines(workers=4, gbit=0.1, latency_us=0, stragglers=straggler)
    trace = cluster(machines, algorithm).run(steps=200, record=0)
    found = predict(SMALL, machines, algorithm, steps=200)
    assert trace.seconds[-1] / 200 == pytest.approx(found.step_seconds.mean, rel=0.02)


@pytest.mark.parametrize(
    ("straggler", "asynchronous"),
    [
        ("constant:factor=2,rank=1", False),
        ("lognormal:sigma=1,mean=0.5x", False),
        ("lognormal:sigma=1,mean=0.5x", True),
    ],
)
@pytest.mark.parametrize("travels", [0.5, 1.5])
def test_a_delay_goes_before_what_a_steps_beginning_offers(straggler: str, asynchronous: bool, travels: float) -> None:
    """What is offered then travels behind the computation alone."""
    algorithm = algorithms.ElasticAveraging(period=2, asynchronous=asynchronous)
    gbit = 2 * 3 / 4 * ALIKE.parameter_bytes * 8e-9 / travels
    machines = Machines(workers=4, gbit=gbit, latency_us=0, stragglers=straggler)
    trace = cluster(machines, algorithm, ALIKE).run(steps=400, record=0)
    found = predict(ALIKE, machines, algorithm, steps=400)
    assert trace.seconds[-1] / 400 == pytest.approx(found.step_seconds.mean, rel=0.02)


@pytest.mark.parametrize("travels", [0.5, 1.5])  # seconds, beside a step of 1 s
@pytest.mark.parametrize(
    "algorithm",
    [algorithms.LayerWise(), algorithms.Synchronous(overlap=True), algorithms.Delayed(steps=1)],
    ids=lambda algorithm: algorithm.name,
)
def test_a_delay_goes_before_the_forward_pass_that_hides_what_travels(
    algorithm: algorithms.Algorithm, travels: float
) -> None:
    """Spread over the layers it would give layers time to land that nobody has, and take it from others."""
    gbit = 2 * 3 / 4 * ALIKE.parameter_bytes * 8e-9 / travels
    machines = Machines(workers=4, gbit=gbit, latency_us=0, stragglers="lognormal:sigma=1,mean=0.5x")
    trace = cluster(machines, algorithm, ALIKE).run(steps=200, record=0)
    found = predict(ALIKE, machines, algorithm, steps=200)
    assert trace.seconds[-1] / 200 == pytest.approx(found.step_seconds.mean, rel=0.02)


def test_a_workers_delays_are_those_of_an_experiment_with_this_seed() -> None:
    text = "exponential:mean=0.5x,correlation=0.5"
    machines = Machines(workers=3, stragglers=text)
    seeds = np.random.SeedSequence(7).spawn(3)
    draw = SMALL.compute(machines).draws(2, np.random.default_rng(seeds[2]))
    injected = itertools.islice(parse(text).delays(2, 3, 7), 20)
    assert [draw().seconds for _ in range(20)] == pytest.approx([1.0 + delay for delay in injected])


def test_correlated_jitter_cannot_be_asked_for_one_by_one() -> None:
    with pytest.raises(ValueError, match=r"jitter_correlation=0\.5: must be 0"):
        SMALL.compute(Machines(workers=2, jitter=0.1, jitter_correlation=0.5))
