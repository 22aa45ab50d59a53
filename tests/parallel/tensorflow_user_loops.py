"""The loops that users write around a Keras optimizer: how each runs, what it must equal, or why it must be refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm, Exchange, Place, Rounds
from algorithms.tensorflow import DistributedOptimizer
from algorithms.tensorflow.rounds_driver import RoundsDriver
from algorithms.virtual.replay import recording
from tests.parallel import user_loops_problem as problem
from tests.parallel.tensorflow_delays import Delays
from tests.parallel.user_loops_problem import BAD_ELEMENT, BAD_STEP, LAYERS, MOMENTUM, RATE, SHAPES, STEPS, Local, Rule

SCALE, GROWTH = 2.0**10, 2

# Every algorithm of the catalogue, first as users take it.
ROWS: dict[str, tuple[Algorithm, ...]] = {
    "no_communication": (algorithms.NoCommunication(),),
    "stock_horovod": (algorithms.StockHorovod(),),
    "synchronous": (algorithms.Synchronous(), algorithms.Synchronous(overlap=True)),
    "layerwise": (algorithms.LayerWise(),),
    "delayed": (algorithms.Delayed(steps=1), algorithms.Delayed(steps=2, compensation=0.5)),
    "backup_workers": (algorithms.BackupWorkers(spares=1), algorithms.BackupWorkers(spares=0)),
    "asynchronous": (
        algorithms.Asynchronous(),
        algorithms.Asynchronous(ahead=False, staleness_scaling=True, clip_norm=64.0),
    ),
    "softsync": (algorithms.SoftSync(gradients=2),),
    "downpour": (algorithms.Downpour(period=2),),
    "elastic_averaging": (
        algorithms.ElasticAveraging(period=2),
        algorithms.ElasticAveraging(period=2, asynchronous=True),
        algorithms.ElasticAveraging(period=2, momentum=0.5),
    ),
    "local_sgd": (algorithms.LocalSGD(period=2),),
    "slowmo": (algorithms.SlowMo(period=2, momentum=0.5),),
    "diloco": (algorithms.DiLoCo(period=2),),
    "adasum": (algorithms.Adasum(),),
    "admm": (algorithms.ADMM(),),
}

Refusal = Callable[[Algorithm], str | None]


def sgd(**options: Any) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(RATE, momentum=MOMENTUM, **options)


def loss_scale() -> keras.optimizers.Optimizer:
    return keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=SCALE, dynamic_growth_steps=GROWTH)


def never(algorithm: Algorithm) -> str | None:
    return None


def at_the_centre(algorithm: Algorithm) -> str | None:
    centred = isinstance(algorithm, Rounds) and algorithm.optimizer_at is Place.CENTRE
    return "use loss_scale_factor, which stays" if centred else None


def of_copies(algorithm: Algorithm) -> str | None:
    return "use_ema=True" if isinstance(algorithm, Rounds) else None


def moving_by_itself(algorithm: Algorithm) -> str | None:
    eamsgd = isinstance(algorithm, algorithms.ElasticAveraging) and algorithm.momentum
    return "gradient_accumulation_steps=2" if eamsgd else None


def wrap(loop: Loop, algorithm: Algorithm) -> DistributedOptimizer:
    return DistributedOptimizer(loop.make(), algorithm)


def scaled_around(loop: Loop, algorithm: Algorithm) -> Any:
    return keras.optimizers.LossScaleOptimizer(wrap(loop, algorithm))


def clipped_outside(loop: Loop, algorithm: Algorithm) -> DistributedOptimizer:
    wrapped = wrap(loop, algorithm)
    wrapped.global_clipnorm = 64.0
    return wrapped


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A column of the table."""

    make: Callable[[], keras.optimizers.Optimizer] = sgd
    wrapped: Callable[[Loop, Algorithm], Any] = wrap
    rule: Rule = field(default_factory=Rule)
    local: Local = field(default_factory=Local)
    change: Callable[[list[Any], int, Any], list[Any]] | None = None  # `local.change` in TensorFlow
    way: str = "function"
    refused: Refusal = never
    scales: bool = False  # the loss, dynamically
    variants: bool = False  # every variant of an algorithm, because its own arithmetic meets the loop's; else the first
    kinds: bool = False  # in `make test` one algorithm of each kind is enough: only how gradients are made is special


def noised_and_clipped(parts: list[Any], worker: int, step: Any) -> list[Any]:
    """In NumPy: one layer halved, the other replaced, then clipped by the norm of both."""
    parts = [parts[0] * 0.5, parts[1] * 0.0 + 0.25 * worker]
    scale = min(1.0, 64.0 / float(np.linalg.norm(np.concatenate(parts))))
    return [part * scale for part in parts]


def noise_and_clip(parts: list[Any], worker: int, step: Any) -> list[Any]:
    """The same in TensorFlow."""
    return list(tf.clip_by_global_norm([parts[0] * 0.5, parts[1] * 0.0 + 0.25 * worker], 64.0)[0])


LOOPS: dict[str, Loop] = {
    "function": Loop(variants=True),
    "eager, clipvalue": Loop(kinds=True, way="eager", make=lambda: sgd(clipvalue=0.25), rule=Rule(clipvalue=0.25)),
    "unrolled, recomputed": Loop(kinds=True, way="unrolled"),
    "loss scale, inf on one": Loop(
        make=loss_scale,
        rule=Rule(skips=True),
        local=Local(bad=(1,)),
        scales=True,
        refused=at_the_centre,
        variants=True,
    ),
    "loss scale, NaN on all": Loop(
        make=loss_scale,
        rule=Rule(skips=True),
        local=Local(bad=(0, 1), value=np.nan),
        scales=True,
        refused=at_the_centre,
        kinds=True,
    ),
    "loss scale around": Loop(wrapped=scaled_around, refused=lambda _: "The loss scale belongs inside"),
    "loss_scale_factor": Loop(make=lambda: sgd(loss_scale_factor=64.0), variants=True),
    "NaN on one": Loop(local=Local(bad=(1,), value=np.nan)),
    "clipnorm, weight decay": Loop(
        kinds=True, make=lambda: sgd(clipnorm=64.0, weight_decay=0.125), rule=Rule(clipnorm=64.0, weight_decay=0.125)
    ),
    "global_clipnorm": Loop(make=lambda: sgd(global_clipnorm=64.0), rule=Rule(global_clipnorm=64.0), variants=True),
    "clipping set outside": Loop(wrapped=clipped_outside, refused=lambda _: "global_clipnorm=64.0: set it on the"),
    "clipped by the loop": Loop(kinds=True, local=Local(change=noised_and_clipped), change=noise_and_clip),
    "accumulation": Loop(
        make=lambda: sgd(gradient_accumulation_steps=2),
        rule=Rule(accumulate=2),
        refused=moving_by_itself,
        variants=True,
    ),
    "overwritten variables": Loop(kinds=True, local=Local(passes=2), way="variables"),
    "average": Loop(
        make=lambda: sgd(use_ema=True, ema_momentum=0.5), rule=Rule(average=0.5), way="averaged", refused=of_copies
    ),
    "two in one function": Loop(kinds=True, way="parts"),
    "two in turns": Loop(way="turns"),
}
KINDS = ("layerwise", "delayed", "backup_workers", "asynchronous", "elastic_averaging", "local_sgd", "adasum")
CELLS = [
    (name, algorithm)
    for name, loop in LOOPS.items()
    for row in ROWS.values()
    for algorithm in (row if loop.variants else row[:1])
]


def refusal(loop: Loop, algorithm: Algorithm) -> str | None:
    """What the error of a cell says; None where it trains."""
    if algorithm.virtual_only:
        return "runs in algorithms.virtual only"
    if algorithm.name == "adasum" and not hvd.mpi_enabled():
        return "this job reduces with Gloo, which has no Adasum"
    return loop.refused(algorithm)


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
            return tf.reshape(tf.numpy_function(lambda: np.int64(worker.step_number), [], tf.int64), ())
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
        replay = recording(self.algorithm, self.records, ranks) if arrives else None
        rule = replace(self.loop.rule, layers=tuple(LAYERS[i] for i in self.local.layers))
        trace, mine, slots = problem.reference(
            self.algorithm, rule, self.local, ranks=ranks, rank=self.rank, steps=steps, replay=replay
        )
        if arrives:
            with self.wrapped.evaluation():
                return far(self.flat(), trace.averages[-1])
        return far(self.flat(), np.asarray(slots[3]) if self.loop.way == "averaged" else mine)

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
