"""Delayed gradient descent on h x²/2: where it stops being stable, against the closed forms."""

import math

import numpy as np
import pytest

import algorithms
from algorithms.virtual import SGD, Cluster
from tests.theory.edges import grows, is_the_edge

EDGES = {k: 2 * math.sin(math.pi / (2 * (2 * k + 1))) for k in (0, 1, 2, 3, 4, 8)}


def characteristic_edge(delay: int, momentum: float) -> float:
    """The largest ηh for which the roots of λ^k (λ - 1)(λ - μ) + ηh λ lie inside the unit circle: bisection."""

    def radius(rate: float) -> float:
        # x_{t+1} - (1 + μ) x_t + μ x_{t-1} + ηh x_{t-k} = 0
        polynomial = np.zeros(max(delay, 1) + 2)
        polynomial[0], polynomial[1], polynomial[2] = 1.0, -(1 + momentum), momentum
        polynomial[delay + 1] += rate
        return max(abs(np.roots(polynomial)))

    low, high = 1e-6, 4.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if radius(middle) <= 1 + 1e-12 else (low, middle)
    return low


def ends_being_stable(delay: int, momentum: float, at: float) -> bool:
    def unstable(rate: float) -> bool:
        return grows(
            Cluster(
                workers=2,
                algorithm=algorithms.Delayed(steps=delay),
                optimizer=SGD(learning_rate=rate, momentum=momentum),
                parameters=np.array([1.0]),
                gradient=lambda worker, step, x: x,
            ),
            steps=4000,
        )

    return is_the_edge(unstable, at)


@pytest.mark.parametrize("delay", EDGES)
def test_edge_without_momentum(delay):
    assert ends_being_stable(delay, 0.0, EDGES[delay])


@pytest.mark.parametrize("delay", [0, 1, 2, 3, 4, 8])
@pytest.mark.parametrize("momentum", [0.5, 0.9, 0.99])
def test_edge_with_heavy_ball(delay, momentum):
    assert ends_being_stable(delay, momentum, characteristic_edge(delay, momentum))


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
def test_closed_forms_of_the_edge(momentum):
    assert characteristic_edge(0, momentum) == pytest.approx(2 * (1 + momentum), rel=1e-6)
    assert characteristic_edge(1, momentum) == pytest.approx(1 - momentum if momentum else 1.0, rel=1e-6)


# T2
@pytest.mark.parametrize("delay", [1, 2, 3])
def test_equals_a_serial_reference(delay):
    generator = np.random.default_rng(delay)
    a = generator.normal(size=(3, 4, 4))

    def gradient(worker, step, x):
        return a[worker] @ x + math.sin(step + worker)

    rate, mu = 0.02, 0.5
    x, buffer, past = np.ones(4), np.zeros(4), []
    expected = [x]
    for step in range(20):
        past.append(sum(gradient(w, step, x) for w in range(3)) / 3)
        if step >= delay:
            buffer = mu * buffer + past[step - delay]
            x = x - rate * buffer
        expected.append(x)
    cluster = Cluster(
        workers=3,
        algorithm=algorithms.Delayed(steps=delay, drain="drop"),
        optimizer=SGD(learning_rate=rate, momentum=mu),
        parameters=np.ones(4),
        gradient=gradient,
    )
    assert np.array_equal(cluster.run(steps=20).parameters, expected)


def test_drain_uses_every_gradient_once():
    cluster = Cluster(
        workers=2,
        algorithm=algorithms.Delayed(steps=3),
        optimizer=SGD(learning_rate=1.0),
        parameters=np.zeros(1),
        gradient=lambda worker, step, x: np.array([-(2.0**step)]),
    )
    trace = cluster.run(steps=6)
    assert trace.parameters[-1][0] == 2**6 - 1
    assert trace.rounds == 6


def test_compensation_is_the_first_order_term():
    lam, rate = 0.5, 0.1
    cluster = Cluster(
        workers=1,
        algorithm=algorithms.Delayed(steps=1, compensation=lam),
        optimizer=SGD(learning_rate=rate),
        parameters=np.array([1.0]),
        gradient=lambda worker, step, x: x,
    )
    x = cluster.run(steps=4).parameters
    for t in range(1, 4):
        g = x[t - 1]
        assert x[t + 1] == pytest.approx(x[t] - rate * (g + lam * g * g * (x[t] - x[t - 1])), rel=1e-12)
