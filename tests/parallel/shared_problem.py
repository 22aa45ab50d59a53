"""A small problem that the bindings and the virtual driver all solve, without any framework; who runs which algorithm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import algorithms
from algorithms.contract import Algorithm
from algorithms.virtual import SGD, AdamW, Cluster, Optimizer
from algorithms.virtual.events import Recording
from algorithms.virtual.trace import Trace
from algorithms.wire import Asked

SHAPES = ((4, 3), (3,), (2, 2))
LAYERS = tuple(int(np.prod(shape)) for shape in SHAPES)
STEPS = 50

# Keras adds epsilon to the uncorrected root, torch and the virtual driver to the corrected one: too small to matter.
EPSILON = 1e-14
# Exact in float32, in which Keras keeps learning rates and through which it casts decay rates.
RATE = 0.0625
DECAY = 0.125
BETAS = (0.875, 0.984375)
RULES: dict[str, Optimizer] = {
    "sgd": SGD(learning_rate=RATE),
    "momentum": SGD(learning_rate=RATE, momentum=0.5),
    "nesterov": SGD(learning_rate=RATE, momentum=0.75, nesterov=True),
    "adamw": AdamW(learning_rate=RATE, weight_decay=DECAY, betas=BETAS, epsilon=EPSILON),
}

EXACT = [
    algorithms.NoCommunication(),
    algorithms.StockHorovod(),
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    *(algorithms.LayerWise(order=order) for order in ("all", "backward", "completion", "forward")),
]
DELAYED = [
    algorithms.Delayed(steps=0),
    algorithms.Delayed(steps=1),
    algorithms.Delayed(steps=3),
    algorithms.Delayed(steps=2, compensation=0.5),
    algorithms.Delayed(steps=2, drain="drop"),
]
# Rounds that all workers take part in at steps that are known beforehand.
MEETING = [
    (algorithms.LocalSGD(period=4, warmup=3), "momentum"),
    (algorithms.LocalSGD(period=4, overlap=2), "adamw"),
    (algorithms.SlowMo(period=3, momentum=0.5), "momentum"),
    (algorithms.SlowMo(period=4, momentum=0.5), "adamw"),
    (algorithms.DiLoCo(period=4), "adamw"),
    (algorithms.DiLoCo(period=4, overlap=3), "momentum"),
    (algorithms.ElasticAveraging(period=3), "adamw"),
    (algorithms.ElasticAveraging(period=4, overlap=2), "momentum"),
    (algorithms.ElasticAveraging(period=4, momentum=0.5, overlap=3), "momentum"),
    (algorithms.ElasticAveraging(period=3, order="gradient_first"), "momentum"),
    (algorithms.BackupWorkers(spares=0, averaging=0.9), "adamw"),
    (algorithms.BackupWorkers(spares=0), "momentum"),
]


def start() -> np.ndarray:
    return np.random.default_rng(7).normal(size=sum(LAYERS))


def gradient(worker: int, step: int, x: np.ndarray) -> np.ndarray:
    return np.cos(x * (1 + worker)) + 0.5 * x - np.sin(0.7 * step + worker) + 0.1 * np.tanh(x.mean())


def oracle(
    algorithm: Algorithm,
    optimizer: str,
    workers: int,
    steps: int = STEPS,
    replay: Recording | None = None,
    wire: Asked = "none",
    gradient: Callable[[int, int, np.ndarray], np.ndarray] = gradient,
    samples: Callable[[int, int], int] | None = None,
) -> Trace:
    cluster = Cluster(
        workers=workers,
        algorithm=algorithm,
        optimizer=RULES[optimizer],
        parameters=start(),
        gradient=gradient,
        layers=SHAPES,
        wire=wire,
        samples=samples,
    )
    return cluster.run(steps=steps, record=0, replay=replay)


def close(value: np.ndarray, expected: np.ndarray) -> None:
    """Float64 on both sides: they add in different orders, and that is all."""
    assert np.abs(expected - start()).max() > 0.01, "nothing was learned, so nothing is compared"
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
