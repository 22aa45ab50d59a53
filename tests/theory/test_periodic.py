"""Methods that meet every tau steps, against their equations written out."""

import math

import numpy as np
import pytest

import algorithms
from algorithms.adasum import adaptive_sum
from algorithms.contract import Centre, Situation
from algorithms.virtual import SGD, AdamW, Cluster, LogNormal, Ring, RMSProp


def quadratic(worker, step, x):
    return (x - worker) * np.array([1.0, 2.0]) + 0.1 * math.sin(step)


def run(algorithm, steps, workers=3, rate=0.1, **options):
    defaults = {"optimizer": SGD(learning_rate=rate), "parameters": np.ones(2), "gradient": quadratic}
    return Cluster(workers=workers, algorithm=algorithm, **(defaults | options)).run(steps=steps)


def local_steps(x, worker, first, count, rate):
    for step in range(first, first + count):
        x = x - rate * quadratic(worker, step, x)
    return x


def test_local_sgd_with_warmup():
    x, expected, step = np.ones(2), [], 0
    for count in (1, 1, 4, 4):
        x = sum(local_steps(x, w, step, count, 0.1) for w in range(3)) / 3
        step += count
        expected.append(x)
    trace = run(algorithms.LocalSGD(period=4, warmup=2), 10)
    assert trace.parameters[1:] == pytest.approx(np.array(expected), rel=1e-12)


@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.1), SGD(learning_rate=0.1, weight_decay=0.1)])
def test_local_sgd_of_period_one_is_synchronous(optimizer):
    ours = run(algorithms.LocalSGD(period=1), 20, optimizer=optimizer)
    synchronous = run(algorithms.Synchronous(), 20, optimizer=optimizer)
    assert ours.parameters == pytest.approx(np.array(synchronous.parameters), rel=1e-12)


def test_slowmo_is_its_equations():
    beta, alpha, gamma = 0.5, 0.8, 0.1
    x, u, expected = np.ones(2), np.zeros(2), []
    for meeting in range(4):
        mean = sum(local_steps(x, w, 3 * meeting, 3, gamma) for w in range(3)) / 3
        u = beta * u + (x - mean) / gamma
        x = x - alpha * gamma * u
        expected.append(x)
    trace = run(algorithms.SlowMo(period=3, momentum=beta, rate=alpha), 12)
    assert trace.parameters[1:] == pytest.approx(np.array(expected), rel=1e-12)


def test_diloco_is_its_equations():
    mu, outer = 0.9, 0.7
    x, m, expected = np.ones(2), np.zeros(2), []
    for meeting in range(4):
        delta = x - sum(local_steps(x, w, 3 * meeting, 3, 0.1) for w in range(3)) / 3
        m = mu * m + delta
        x = x - outer * (delta + mu * m)
        expected.append(x)
    trace = run(algorithms.DiLoCo(period=3), 12)
    assert trace.parameters[1:] == pytest.approx(np.array(expected), rel=1e-12)


@pytest.mark.parametrize(
    "limit",
    [algorithms.SlowMo(period=3, momentum=0.0), algorithms.DiLoCo(period=3, outer_rate=1.0, outer_momentum=0.0)],
)
def test_without_outer_momentum_it_is_local_sgd(limit):
    local = run(algorithms.LocalSGD(period=3), 12, optimizer=AdamW(learning_rate=0.05))
    assert run(limit, 12, optimizer=AdamW(learning_rate=0.05)).parameters == pytest.approx(
        np.array(local.parameters), rel=1e-12
    )


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_overlap_adds_the_correction_late(overlap):
    """x ← x + (mean - x at the offer), so many local steps after the offer."""
    xs = [np.ones(2) for _ in range(3)]
    offered = None
    for step in range(12):
        xs = [local_steps(x, w, step, 1, 0.1) for w, x in enumerate(xs)]
        if (step + 1) % 4 == 0:
            offered, due = list(xs), step + overlap
        if offered is not None and step == due:
            mean = sum(offered) / 3
            xs = [x + (mean - then) for x, then in zip(xs, offered, strict=True)]
            offered = None
    if offered is not None:  # the last result is adopted when training ends
        xs = [x + (sum(offered) / 3 - then) for x, then in zip(xs, offered, strict=True)]
    trace = run(algorithms.LocalSGD(period=4, overlap=overlap), 12)
    assert trace.workers == pytest.approx(np.array(xs), rel=1e-12)


def test_overlap_hides_the_exchange():
    network = Ring(bandwidth=16 * 4 / 3 / 2.0)  # an exchange of the two numbers takes two seconds, a step one
    seconds = {
        overlap: run(algorithms.LocalSGD(period=4, overlap=overlap), 40, network=network).seconds[-1]
        for overlap in (0, 2)
    }
    assert seconds[0] == pytest.approx(40 + 10 * 2)
    assert seconds[2] == pytest.approx(40 + 2)  # the last result lands after the last step


# T14
def test_adasum_limits():
    orthogonal = [np.array([1.0, 0.0]), np.array([0.0, 2.0])]
    assert adaptive_sum(orthogonal, np.dot) == pytest.approx([1.0, 2.0])
    parallel = [np.array([1.0, 2.0])] * 4
    assert adaptive_sum(parallel, np.dot) == pytest.approx([1.0, 2.0])
    nothing = [np.zeros(2), np.array([1.0, 2.0])]
    assert adaptive_sum(nothing, np.dot) == pytest.approx([1.0, 2.0])
    a, b, c, d = np.random.default_rng(0).normal(size=(4, 5))
    pairs = [adaptive_sum([a, b], np.dot), adaptive_sum([c, d], np.dot)]
    assert adaptive_sum([a, b, c, d], np.dot) == pytest.approx(adaptive_sum(pairs, np.dot))


def test_adasum_works_layer_by_layer():
    def gradient(worker, step, x):
        return -np.array([1.0, 1.0, *np.eye(2)[worker]])

    trace = run(algorithms.Adasum(), 1, workers=2, rate=1.0, parameters=np.zeros(4), gradient=gradient, layers=(2, 2))
    assert trace.parameters[1] == pytest.approx([1, 1, 1, 1])
    whole = run(algorithms.Adasum(), 1, workers=2, rate=1.0, parameters=np.zeros(4), gradient=gradient)
    assert whole.parameters[1] != pytest.approx([1, 1, 1, 1])


def test_uneven_batches_equal_one_worker():
    """Five samples over four workers, and three: weights make the mean over samples, empty batches included."""
    generator = np.random.default_rng(3)
    samples = generator.normal(size=(8, 5, 2))
    shares = [[0, 1], [2], [3, 4], []]

    def shared(worker, step, x):
        return (x - samples[step, shares[worker]]).mean(axis=0)

    def alone(worker, step, x):
        return (x - samples[step]).mean(axis=0)

    for algorithm in (algorithms.Synchronous(), algorithms.Delayed(steps=2), algorithms.BackupWorkers(spares=0)):
        many = run(algorithm, 8, 4, gradient=shared, samples=lambda worker, step: len(shares[worker]))
        one = run(algorithm, 8, 1, gradient=alone)
        assert many.parameters == pytest.approx(np.array(one.parameters), rel=1e-12)


@pytest.mark.parametrize("wire", ["none", "powersgd:rank=1"])
def test_a_round_without_any_sample_moves_nothing(wire):
    """As in the bindings: neither momentum nor weight decay, nor what a format has kept back."""
    rule = SGD(learning_rate=0.1, momentum=0.9, weight_decay=0.1)
    moved = [
        run(
            algorithm,
            4,
            2,
            optimizer=rule,
            parameters=np.arange(1.0, 17.0) ** 2,
            gradient=lambda worker, step, x: x - worker,
            samples=lambda worker, step: int(step == 0),
            layers=((4, 4),),
            wire=wire,
        ).parameters
        for algorithm in (algorithms.Synchronous(), algorithms.BackupWorkers(spares=0))
    ]
    assert moved[0] == pytest.approx(np.array(moved[1]), rel=1e-12)
    assert np.array_equal(moved[1][1], moved[1][-1])
    assert not np.array_equal(moved[1][0], moved[1][1])


@pytest.mark.parametrize(
    "optimizer", [SGD(momentum=0.9, nesterov=True, weight_decay=0.1), AdamW(), RMSProp(momentum=0.5)]
)
def test_optimizers_are_torchs(optimizer):
    import torch

    x = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    theirs = {
        SGD: lambda: torch.optim.SGD([x], lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1),
        AdamW: lambda: torch.optim.AdamW([x]),
        RMSProp: lambda: torch.optim.RMSprop([x], alpha=0.9, momentum=0.5),
    }[type(optimizer)]()
    ours, slots = np.ones(3), optimizer.begin(np.ones(3))
    for step in range(30):
        gradient = np.array([1.0, -0.5, 2.0]) * math.cos(step)
        ours, slots = optimizer.step(ours, gradient, slots)
        x.grad = torch.tensor(gradient)
        theirs.step()
    assert ours == pytest.approx(x.detach().numpy(), rel=1e-12)


def test_jitter_never_changes_what_all_wait_for():
    for algorithm in (
        algorithms.LocalSGD(period=3),
        algorithms.SlowMo(period=3),
        algorithms.ElasticAveraging(period=3),
    ):
        calm, wild = run(algorithm, 12), run(algorithm, 12, compute=LogNormal(sigma=2.0), seed=8)
        assert np.array_equal(calm.parameters, wild.parameters)


def test_slowmo_at_the_end_of_a_schedule_is_finite_and_the_limit_of_what_comes_before():
    rule, centre = algorithms.SlowMo(momentum=0.5, rate=0.8), Centre(parameters=np.ones(2), velocity=np.ones(2))
    total = np.array([1.5, 2.5])  # of two workers

    def closed(rate):
        return rule.close(centre, total, Situation(workers=2, round=3, contributions=2, learning_rate=rate))

    ended, almost = closed(0.0), closed(1e-9)
    assert ended.parameters == pytest.approx(almost.parameters, abs=1e-8)
    assert ended.velocity.tolist() == [0.5, 0.5]
    again = rule.close(ended, ended.parameters, Situation(workers=1, round=4, learning_rate=0.1))
    assert np.isfinite(again.parameters).all()
