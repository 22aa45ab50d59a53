"""Errors that a user may catch on two ranks, each from its own way into it, and what the ranks are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm
from algorithms.tensorflow import DistributedOptimizer
from algorithms.tensorflow.rounds.driver import RoundsDriver
from tests.parallel.tensorflow_delays import Delays


def pair(shift: float = 0.0) -> list[keras.Variable]:
    return [keras.Variable(np.full(3, 1.0 + shift), dtype="float64", name=name) for name in ("bias", "kernel")]


def wrap(algorithm: Algorithm, **options: Any) -> DistributedOptimizer:
    return DistributedOptimizer(keras.optimizers.SGD(0.5), algorithm, **options)


def step(optimizer: DistributedOptimizer, held: list[keras.Variable], rank: int) -> None:
    """Slopes of 1 and 2 on two ranks."""
    optimizer.apply([tf.fill((3,), tf.constant(1.0 + rank, tf.float64)) * variable.value for variable in held], held)


def refused_on_one(rank: int) -> None:
    inner = keras.optimizers.SGD(0.5)
    if rank == 1:
        inner.build(pair())
    DistributedOptimizer(inner, algorithms.LayerWise())
    raise ValueError("not on this rank")


def wrapped_on_one(rank: int) -> None:
    if rank == 0:
        wrap(algorithms.Synchronous())
    raise ValueError("after it")


def unlike(rank: int) -> None:
    held, optimizer = pair(), wrap(algorithms.Delayed(steps=1 + rank))
    tf.function(lambda: step(optimizer, held, rank), autograph=False)()


def other_gradients(rank: int) -> None:
    held, optimizer = pair(), wrap(algorithms.BackupWorkers(spares=0))
    tf.function(lambda: optimizer.apply([tf.ones(3), None if rank else tf.ones(3)], held))()


def too_few_on_one(rank: int) -> None:
    held, optimizer = pair(), wrap(algorithms.LayerWise())
    if rank == 1:
        optimizer.apply([tf.ones(3)], held)
    raise ValueError("not on this rank")


def drifted(rank: int) -> None:
    held, optimizer = pair(), wrap(algorithms.Delayed(steps=1), check_every=2)
    train = tf.function(lambda: step(optimizer, held, rank), autograph=False)
    train()
    held[1].assign_add(np.full(3, rank))
    train()


def drifted_with_the_next_step_under_way(rank: int) -> None:
    """The next step of the same function is sent early by one rank, and never by the other, which is slow."""
    held, optimizer = pair(), wrap(algorithms.LayerWise(), check_agreement=False, check_every=2)
    late = Delays(0.5, 0, rank)

    def steps() -> None:
        for _ in range(2):
            step(optimizer, held, rank)
        slow = [late.slow(variable.value * 0.5) if rank else variable.value * 0.5 for variable in held]
        optimizer.apply(slow, held)

    optimizer.start(held)
    held[1].assign_add(np.full(3, rank))
    tf.function(steps, autograph=False)()


def centres_apart(algorithm: Algorithm) -> Callable[[int], None]:
    def fail(rank: int) -> None:
        held, optimizer = pair(), wrap(algorithm, check_every=2)
        train = tf.function(lambda: step(optimizer, held, rank), autograph=False)
        train()
        driver = optimizer.driver
        assert isinstance(driver, RoundsDriver)
        with driver.work.whole:
            driver.work.replica.variables[0].assign_add(np.full(3, rank))
        for _ in range(9):
            train()
        optimizer.finish()

    return fail


def xla(rank: int) -> None:
    optimizer, held = wrap(algorithms.LocalSGD()), pair()
    tf.function(lambda: step(optimizer, held, rank), jit_compile=True)()


def other_gradients_under_a_delay(rank: int) -> None:
    held, optimizer = pair(), wrap(algorithms.Delayed(steps=1))
    tf.function(lambda: optimizer.apply([tf.ones(3), None], held))()
    tf.function(lambda: optimizer.apply([tf.ones(3), tf.ones(3)], held))()


CAUGHT: dict[str, tuple[Callable[[int], None], str]] = {
    "refused on one": (refused_on_one, "is built already|not on this rank"),
    "wrapped on one": (wrapped_on_one, "after it"),
    "unlike": (unlike, "wrapped another optimizer"),
    "other gradients": (other_gradients, "gradients for other variables"),
    "too few on one": (too_few_on_one, "1 gradients for 2 variables|not on this rank"),
    "drifted": (drifted, "of rank 1 differs from the others"),
    "drifted, next step": (drifted_with_the_next_step_under_way, "of rank 1 differs from the others"),
    "centres apart": (centres_apart(algorithms.ElasticAveraging(period=1)), "of rank 1 differs from the others"),
    "gradient centres apart": (centres_apart(algorithms.BackupWorkers(spares=0)), "of rank 1 differs from the others"),
    "xla": (xla, "jit_compile=True"),
    "other gradients, delay": (other_gradients_under_a_delay, "the same variables must have gradients"),
}
