"""Elastic averaging on a quadratic: stability edges, stationary error, conservation, equal forms; ADMM beside it."""

import math

import numpy as np
import pytest

import algorithms
from algorithms.contract import Centre, Own, Situation
from algorithms.virtual import SGD, Cluster, Exponential
from tests.theory.edges import grows, is_the_edge


def elastic(workers, rate, *, h=1.0, arrivals="time", **options):
    return Cluster(
        workers=workers,
        algorithm=algorithms.ElasticAveraging(period=1, **options),
        optimizer=SGD(learning_rate=rate),
        parameters=np.array([1.0]),
        gradient=lambda worker, step, x: h * x,
        arrivals=arrivals,
    )


# T4
@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0, 1.5, 1.9])
@pytest.mark.parametrize("workers", [1, 3, 8])
def test_round_robin_edge(workers, rate):
    """Stable iff α <= (4 - 2η)/(4 - η), whatever the number of workers."""
    bound = (4 - 2 * rate) / (4 - rate)

    def unstable(alpha):
        cluster = elastic(workers, rate, arrivals="round_robin", asynchronous=True, moving_rate=alpha * workers)
        return grows(cluster, 6000 // workers)

    # The cycle of p maps is a product of contractions at the bound, so it leaves the circle a little above it.
    assert is_the_edge(unstable, bound, below=0.001, above=0.02 if workers > 1 else 0.01)


# Lemma 7.1
@pytest.mark.parametrize("workers", [2, 4, 8])
@pytest.mark.parametrize("rate", [0.5, 1.0, 1.5])
def test_synchronous_edge(workers, rate):
    """Stable iff (2 - η)(2 - β) > 2 β/p and (2 - η) + (2 - β) > β/p."""
    by_product = 2 * (2 - rate) / (2 / workers + 2 - rate)
    by_sum = (4 - rate) / (1 + 1 / workers)
    bound = min(by_product, by_sum)

    def unstable(beta):
        return grows(elastic(workers, rate, moving_rate=beta), 4000)

    assert is_the_edge(unstable, bound)


@pytest.mark.parametrize(
    ("rate", "beta", "workers", "printed"), [(0.1, 0.9, 4, 0.010456), (0.5, 0.9, 8, 0.034830), (1.0, 0.5, 4, 0.077778)]
)
def test_stationary_error(rate, beta, workers, printed):
    h, p = 1.0, workers
    a, c2 = rate * h + (p + 1) * beta / p, rate * h * beta
    root = math.sqrt(a * a - 4 * c2)
    gamma, phi = 1 - (a - root) / 2, 1 - (a + root) / 2
    closed = beta**2 * rate**2 / ((1 - gamma**2) * (1 - phi**2)) * (1 + gamma * phi) / (1 - gamma * phi) / p
    assert closed == pytest.approx(printed, rel=1e-4)
    copies, steps, burn = 2000, 600, 200
    noise = np.random.default_rng(7).standard_normal((steps, workers, copies))
    cluster = Cluster(
        workers=workers,
        algorithm=algorithms.ElasticAveraging(period=1, moving_rate=beta),
        optimizer=SGD(learning_rate=rate),
        parameters=np.zeros(copies),  # independent copies of the one-dimensional process
        gradient=lambda worker, step, x: h * x - noise[step, worker],
    )
    path = np.array(cluster.run(steps=steps).parameters[burn:])
    assert np.mean(path**2) == pytest.approx(closed, rel=0.02)


# T7
def test_allreduce_form_equals_the_server_form():
    """A server that gathers x^i, moves the centre by β towards their mean and sends back: the same at every meeting."""
    p, rate, beta, period = 4, 0.1, 0.9, 3
    x, centre = np.ones((p, 2)), np.ones(2)
    targets = np.arange(8.0).reshape(p, 2)
    expected = [centre]
    for step in range(30):
        gradient = x - targets
        if step % period == 0:
            pull = beta / p * (x - centre)
            centre = (1 - beta) * centre + beta * x.mean(axis=0)
            expected.append(centre)
            x = x - rate * gradient - pull
        else:
            x = x - rate * gradient
    cluster = Cluster(
        workers=p,
        algorithm=algorithms.ElasticAveraging(period=period, moving_rate=beta),
        optimizer=SGD(learning_rate=rate),
        parameters=np.ones(2),
        gradient=lambda worker, step, x: x - targets[worker],
    )
    trace = cluster.run(steps=30)
    assert np.allclose(trace.parameters[: len(expected)], expected, rtol=1e-13)
    assert np.allclose(trace.workers, x, rtol=1e-13)


# T8, and the velocity form of the paper
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_eamsgd_is_the_papers_recursion(momentum):
    p, rate, beta, period = 3, 0.05, 0.9, 2
    targets = np.arange(3.0)
    x, v, centre = np.ones(p), np.zeros(p), 1.0
    for step in range(40):
        gradient = x + momentum * v - targets
        v = momentum * v - rate * gradient
        pull = beta / p * (x - centre) if step % period == 0 else np.zeros(p)
        x, centre = x + v - pull, centre + pull.sum()
    cluster = Cluster(
        workers=p,
        algorithm=algorithms.ElasticAveraging(period=period, moving_rate=beta, momentum=momentum),
        optimizer=SGD(learning_rate=rate),
        parameters=np.ones(1),
        gradient=lambda worker, step, x: x - targets[worker],
    )
    trace = cluster.run(steps=40)
    assert trace.parameters[-1][0] == pytest.approx(centre, rel=1e-12)
    assert np.ravel(trace.workers) == pytest.approx(x + momentum * v, rel=1e-12)  # the model holds the look-ahead point


def test_momentum_of_one_worker_is_nesterov():
    """α = 0: EAMSGD of a worker is the paper's MSGD, which is torch's Nesterov momentum."""
    common = {"workers": 1, "parameters": np.ones(3), "gradient": lambda worker, step, x: np.array([1.0, 2.0, 3.0]) * x}
    ours = Cluster(
        algorithm=algorithms.ElasticAveraging(moving_rate=0.0, momentum=0.9),
        optimizer=SGD(learning_rate=0.05),
        **common,
    ).run(steps=30)
    nesterov = Cluster(
        algorithm=algorithms.NoCommunication(), optimizer=SGD(learning_rate=0.05, momentum=0.9, nesterov=True), **common
    ).run(steps=30)
    assert ours.workers[0] == pytest.approx(nesterov.workers[0], rel=1e-12)


# T9
def test_no_elasticity_leaves_workers_alone():
    trace = Cluster(
        workers=3,
        algorithm=algorithms.ElasticAveraging(period=1, moving_rate=0.0),
        optimizer=SGD(learning_rate=0.1),
        parameters=np.ones(1),
        gradient=lambda worker, step, x: x - worker,
    ).run(steps=50)
    assert trace.parameters[-1][0] == 1.0
    alone = [worker + (1 - worker) * 0.9**50 for worker in range(3)]
    assert np.ravel(trace.workers) == pytest.approx(alone, rel=1e-12)


# T10
def test_beta_one_makes_the_centre_the_mean():
    trace = Cluster(
        workers=4,
        algorithm=algorithms.ElasticAveraging(period=1, moving_rate=1.0),
        optimizer=SGD(learning_rate=0.1),
        parameters=np.ones(1),
        gradient=lambda worker, step, x: x - worker,
    ).run(steps=20, keep_workers=True)
    for t in range(2, 20):
        assert trace.parameters[t][0] == pytest.approx(np.mean(trace.history[t]), rel=1e-12)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_conservation(asynchronous):
    """What workers lose the centre gains: without gradients the sum over workers and centre never changes."""
    starts = np.array([3.0, -1.0, 4.0, 1.0])

    def gradient(worker, step, x):
        return np.array([-starts[worker]]) if step == 0 else np.zeros(1)

    trace = Cluster(
        workers=4,
        algorithm=algorithms.ElasticAveraging(period=1, moving_rate=0.9, asynchronous=asynchronous),
        optimizer=SGD(learning_rate=1.0),
        parameters=np.zeros(1),
        gradient=gradient,
        compute=Exponential(mean=1.0),
        seed=3,
    ).run(steps=25)
    assert trace.parameters[-1][0] + np.sum(trace.workers) == pytest.approx(starts.sum(), rel=1e-12)


def test_gradient_first_differs_at_second_order():
    paths = {}
    for order in ("paper", "gradient_first"):
        trace = elastic(3, 0.01, moving_rate=0.9, order=order).run(steps=10)
        paths[order] = float(np.ravel(trace.workers)[0])
    assert paths["paper"] != paths["gradient_first"]
    assert paths["paper"] == pytest.approx(paths["gradient_first"], abs=10 * 0.01 * 0.3)


# T6
def admm_cycle_radius(workers):
    """Of one round of turns. The rules are linear: arrays of coefficients of all x^i and λ^i go through them instead."""
    rate = 1e-3
    algorithm = algorithms.ADMM(penalty=2.5)
    situation = Situation(workers=workers, round=0, learning_rate=rate)
    x, dual = np.split(np.eye(2 * workers), 2)
    owns = [Own(parameters=x[i], multiplier=dual[i], anchor=x[i] - dual[i]) for i in range(workers)]
    centre = Centre(parameters=(x - dual).mean(axis=0))
    for i, own in enumerate(owns):
        own = algorithm.local(own, own.parameters * (1 - rate), centre, situation)
        change = algorithm.offer(own, centre, situation)
        centre = algorithm.close(centre, change, situation)
        owns[i] = algorithm.adopt(own, change, centre)
    matrix = np.array([own.parameters for own in owns] + [own.multiplier for own in owns])
    return max(abs(np.linalg.eigvals(matrix)))


@pytest.mark.parametrize(("workers", "radius"), [(3, 1.00097), (8, 1.00226)])
def test_admm_cycle_is_unstable(workers, radius):
    assert admm_cycle_radius(workers) == pytest.approx(radius, abs=1e-5)


def test_admm_of_two_is_stable():
    assert admm_cycle_radius(2) <= 1 + 1e-9


def test_admm_grows_after_1e5_updates():
    cluster = Cluster(
        workers=3,
        algorithm=algorithms.ADMM(penalty=2.5),
        optimizer=SGD(learning_rate=1e-3),
        parameters=np.array([1000.0]),
        gradient=lambda worker, step, x: x,
        arrivals="round_robin",
    )
    path = np.ravel(cluster.run(steps=33_334, record=1000).parameters)
    assert abs(path[20]) < 100  # it falls first: about -26 after 2e4 updates
    assert abs(path[-1]) > 1e11  # 1.6e12 after 1e5
    assert cluster.algorithm.virtual_only
