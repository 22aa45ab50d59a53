"""The loops that users write around a Keras optimizer: how each runs, what it must equal, or why it must be refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm, Place, Rounds
from algorithms.tensorflow import DistributedOptimizer
from tests.laws.table import LAWS
from tests.parallel.user_loops_problem import MOMENTUM, RATE, Local, Rule

SCALE, GROWTH = 2.0**10, 2

# Every algorithm of the catalogue, first as users take it.
ROWS: dict[str, tuple[Algorithm, ...]] = {name: law.loops or (law.typical,) for name, law in LAWS.items()}

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
    "function": Loop(),
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
    "global_clipnorm": Loop(make=lambda: sgd(global_clipnorm=64.0), rule=Rule(global_clipnorm=64.0)),
    "clipping set outside": Loop(wrapped=clipped_outside, refused=lambda _: "global_clipnorm=64.0: set it on the"),
    "clipped by the loop": Loop(kinds=True, local=Local(change=noised_and_clipped), change=noise_and_clip),
    "accumulation": Loop(
        make=lambda: sgd(gradient_accumulation_steps=2),
        rule=Rule(accumulate=2),
        refused=moving_by_itself,
        variants=True,
        kinds=True,
    ),
    "overwritten variables": Loop(kinds=True, local=Local(passes=2), way="variables"),
    "average": Loop(
        make=lambda: sgd(use_ema=True, ema_momentum=0.5), rule=Rule(average=0.5), way="averaged", refused=of_copies
    ),
    "two in one function": Loop(kinds=True, way="parts"),
    "two in turns": Loop(kinds=True, way="turns"),
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
