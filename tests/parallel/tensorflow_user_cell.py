"""Runs one of the loops that users write with one algorithm, and says how far it ends from its reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf

from algorithms.contract import Algorithm, Exchange, Rounds
from algorithms.tensorflow.rounds.driver import RoundsDriver
from algorithms.virtual.replay import recording
from tests.parallel import user_loops_problem as problem
from tests.parallel.tensorflow_delays import Delays
from tests.parallel.tensorflow_user_loops import GROWTH, SCALE, Loop
from tests.parallel.user_loops_problem import BAD_ELEMENT, BAD_STEP, LAYERS, SHAPES, STEPS


class Part:
    """One wrapped optimizer with the layers of the model that it trains."""

    def __init__(self, loop: Loop, algorithm: Algorithm, layers: tuple[int, ...], rank: int, delays: Delays) -> None:
        self.loop, self.algorithm, self.rank, self.delays = loop, algorithm, rank, delays
        self.local = replace(loop.local, layers=layers)
        parts = problem.split(problem.start() + rank)  # ranks other than 0 begin elsewhere, in vain
        self.held = [keras.Variable(parts[i].reshape(SHAPES[i]), dtype="float64", name=f"layer{i}") for i in layers]
        self.wrapped = loop.wrapped(loop, algorithm)
        driver = self.wrapped.driver
        self.driver = driver if isinstance(driver, RoundsDriver) else None
        self.records = self.driver.keep_records() if self.driver else []
        self.step = tf.Variable(0, dtype=tf.int64)

    def number(self) -> tf.Tensor:
        """Of the step that is being made: the worker's own where rounds number them."""
        if self.driver is not None and isinstance(self.algorithm, Rounds) and self.algorithm.tagged:
            worker = self.driver.worker
            return tf.reshape(tf.numpy_function(lambda: np.int64(worker.life.step), [], tf.int64), ())
        return self.step.assign_add(1) - 1

    def gradients(self) -> list[tf.Tensor]:
        number = self.number()
        phase = tf.cast(number, tf.float64)
        parts: list[tf.Tensor] = []
        for layer, variable in zip(self.local.layers, self.held, strict=True):
            x = variable.value.read_value()
            gradient = self._backward(x, phase)
            for turn in range(1, self.local.passes):
                gradient += self._backward(x, phase + turn / 2)
            if layer == problem.SLOW:
                gradient = self.delays.slow(gradient)
            if self.rank in self.local.bad and layer == len(LAYERS) - 1:
                here = tf.logical_and(tf.range(LAYERS[-1]) == BAD_ELEMENT, number == BAD_STEP)
                gradient = tf.where(here, tf.constant(self.local.value, tf.float64), gradient)
            parts.append(gradient)
        parts = [self.wrapped.scale_loss(part) for part in parts]
        return parts if self.loop.change is None else self.loop.change(parts, self.rank, number)

    def _backward(self, x: tf.Tensor, phase: tf.Tensor) -> tf.Tensor:
        slope, shift = problem.slope(self.rank), tf.sin(0.7 * phase + self.rank)
        if self.loop.way != "unrolled":
            return slope * x - shift

        @tf.recompute_grad
        def loss(x: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(x * (0.5 * slope * x - shift))

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(x)
        return tape.gradient(value, x)

    def apply(self) -> None:
        self.wrapped.apply(self.gradients(), self.held)

    def make_accumulators(self) -> None:
        self.accumulators = [tf.Variable(tf.zeros(v.shape, tf.float64)) for v in self.held]

    def apply_variables(self) -> None:
        """Hand over variables that are overwritten as soon as `apply` has been asked."""
        for held, gradient in zip(self.accumulators, self.gradients(), strict=True):
            held.assign_add(gradient)
        self.wrapped.apply(self.accumulators, self.held)
        for held in self.accumulators:
            held.assign(tf.zeros_like(held))

    def end(self) -> None:
        if self.loop.way == "averaged":  # as `fit` does when it ends
            self.wrapped.finalize_variable_values(self.held)
        self.wrapped.finish()

    def error(self, steps: int) -> float:
        """How far this rank is from its reference, relative to the largest parameter."""
        ranks = hvd.size()
        arrives = isinstance(self.algorithm, Rounds) and self.algorithm.quorum(ranks) < ranks
        rule = replace(self.loop.rule, layers=tuple(LAYERS[i] for i in self.local.layers))
        if not arrives:
            mine, average = problem.ends(self.algorithm, rule, self.local, ranks=ranks, rank=self.rank, steps=steps)
            return far(self.flat(), mine if average is None else average)
        replay = recording(self.algorithm, self.records, ranks)
        trace, _, _ = problem.reference(
            self.algorithm, rule, self.local, ranks=ranks, rank=self.rank, steps=steps, replay=replay
        )
        with self.wrapped.evaluation():
            return far(self.flat(), trace.averages[-1])

    def flat(self) -> np.ndarray:
        return np.concatenate([variable.numpy().ravel() for variable in self.held])


def far(value: np.ndarray, expected: np.ndarray) -> float:
    numbers = problem.numbers(expected)
    if not np.array_equal(numbers, np.isfinite(value)):
        return float("inf")
    return float(np.abs(value - expected)[numbers].max() / np.abs(expected[numbers]).max())


@dataclass(frozen=True)
class Outcome:
    """How a cell ended on this rank."""

    error: str | None  # what was raised
    far: float  # from the reference
    scale: float  # the loss scale, over what it must be
    seconds: float


def run(loop: Loop, algorithm: Algorithm, rank: int, delays: Delays) -> Outcome:
    """One cell of the table."""
    begun = time.monotonic()
    try:
        parts, steps = train(loop, algorithm, rank, delays)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        return Outcome(str(error), 0.0, 1.0, time.monotonic() - begun)
    errors = [part.error(count) for part, count in zip(parts, steps, strict=True)]
    return Outcome(None, max(errors), scale_ratio(loop, algorithm, parts[0], rank), time.monotonic() - begun)


def train(loop: Loop, algorithm: Algorithm, rank: int, delays: Delays) -> tuple[list[Part], list[int]]:
    split = loop.way in ("parts", "turns")
    parts = [Part(loop, algorithm, layers, rank, delays) for layers in (((0,), (1,)) if split else ((0, 1),))]
    counts = [STEPS] * len(parts)
    steps = steps_of(loop, parts)
    if loop.way == "turns":
        counts[0], steps = 2 * STEPS, [*steps, steps[0]]
    if loop.way != "function":  # else everything begins inside the first trace
        for part in parts:
            part.wrapped.start(part.held)
    for _ in range(STEPS // 3 if loop.way == "unrolled" else STEPS):
        for step in steps:
            step()
            delays.pause()
    for part in parts:
        part.end()
    return parts, counts


def steps_of(loop: Loop, parts: Sequence[Part]) -> list[Callable[[], Any]]:
    """What the loop calls, one after the other, in every turn."""
    first = parts[0]
    if loop.way == "eager":
        return [first.apply]
    if loop.way == "variables":
        first.make_accumulators()
        return [tf.function(first.apply_variables, autograph=False)]
    if loop.way == "parts":
        return [tf.function(lambda: [part.apply() for part in parts] and None, autograph=False)]
    if loop.way == "unrolled":
        return [tf.function(lambda: [first.apply() for _ in range(3)] and None, autograph=False)]
    return [tf.function(part.apply, autograph=False) for part in parts]


def scale_ratio(loop: Loop, algorithm: Algorithm, part: Part, rank: int) -> float:
    if not loop.scales:
        return 1.0
    shares = isinstance(algorithm, Exchange) and algorithm.reduces
    bad = bool(loop.local.bad) if shares else rank in loop.local.bad
    flags = [bad and step == BAD_STEP for step in range(STEPS)]
    expected = problem.scale_after(flags, scale=SCALE, growth=GROWTH)
    return float(part.wrapped.inner_optimizer.dynamic_scale.numpy()) / expected
