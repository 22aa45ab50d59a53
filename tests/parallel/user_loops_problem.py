"""A problem of several megabytes whose loops and references are cheap: NumPy's side of the table of user's loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from algorithms.contract import Algorithm
from algorithms.virtual import Cluster
from algorithms.virtual.events import Recording
from algorithms.virtual.optimizers import Slots, Vector
from algorithms.virtual.trace import Trace

SHAPES = ((384, 768), (5,))  # of float64: 2.4 MB, which travel in two pieces, and next to nothing
LAYERS = tuple(int(np.prod(shape)) for shape in SHAPES)
SLOW = 0  # the layer whose gradient takes its time
STEPS = 6
BAD_STEP, BAD_ELEMENT = 2, 3  # where an inf or a NaN appears, in the last layer
BAD = 1e60  # stands for it: virtual workers take numbers only
# Powers of two: exact in float32, in which Keras keeps and casts them.
RATE, MOMENTUM = 0.0625, 0.5

Change = Callable[[list[Vector], int, int], list[Vector]]  # (gradients by layer, worker, step)


@cache
def start() -> Vector:
    return read_only(np.random.default_rng(7).normal(size=sum(LAYERS)))


def read_only(x: Vector) -> Vector:
    """The same vector, which several tests share."""
    x = np.asarray(x)
    x.setflags(write=False)
    return x


def split(x: Vector, layers: Sequence[int] = LAYERS) -> list[Vector]:
    return np.split(x, np.cumsum(layers)[:-1])


def numbers(x: Vector) -> NDArray[np.bool_]:
    """Which elements are not what became of BAD."""
    return np.asarray(np.abs(x) < np.sqrt(BAD))


def slope(worker: int) -> float:
    return 0.5 + 0.25 * worker


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a Keras optimizer with these arguments does with a gradient, or does not do where it is not finite."""

    learning_rate: float = RATE
    momentum: float = MOMENTUM
    layers: tuple[int, ...] = LAYERS
    weight_decay: float = 0.0
    clipnorm: float = 0.0
    global_clipnorm: float = 0.0
    clipvalue: float = 0.0
    accumulate: int = 1
    average: float = 0.0
    skips: bool = False

    def begin(self, x: Vector) -> Slots:
        """Velocity, accumulated gradients, their number, the moving average, and updates made."""
        return (x * 0, x * 0, 0.0, x, 0.0)

    def step(self, x: Vector, gradient: Vector, slots: Slots) -> tuple[Vector, Slots]:
        if self.skips and not numbers(gradient).all():
            return x, slots
        velocity, gathered, count, average, updates = slots
        gathered, count = gathered + gradient, float(count) + 1
        if count == self.accumulate:
            gradient = self.clipped(np.asarray(gathered) / self.accumulate)
            x = x - x * self.weight_decay * self.learning_rate
            velocity = velocity * self.momentum - gradient * self.learning_rate
            x, gathered, count = x + velocity, x * 0, 0.0
        kept = self.average if updates else 0.0
        return x, (velocity, gathered, count, kept * average + (1 - kept) * x, float(updates) + 1)

    def clipped(self, gradient: Vector) -> Vector:
        if self.clipvalue:
            return np.clip(gradient, -self.clipvalue, self.clipvalue)
        if self.global_clipnorm:
            return gradient * min(1.0, self.global_clipnorm / float(np.linalg.norm(gradient)))
        if self.clipnorm:
            parts = split(gradient, self.layers)
            return np.concatenate([p * min(1.0, self.clipnorm / float(np.linalg.norm(p))) for p in parts])
        return gradient


class Remembering:
    """A rule that can be asked for the state that its last step left behind."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.slots = rule, ()
        self.learning_rate = rule.learning_rate

    def begin(self, x: Vector) -> Slots:
        return self.rule.begin(x)

    def step(self, x: Vector, gradient: Vector, slots: Slots) -> tuple[Vector, Slots]:
        x, self.slots = self.rule.step(x, gradient, slots)
        return x, self.slots


@dataclass(frozen=True, kw_only=True)
class Local:
    """A worker's own gradient, as the user's loop hands it over."""

    layers: tuple[int, ...] = tuple(range(len(LAYERS)))  # of the model that this optimizer trains
    passes: int = 1  # backward passes that are added up
    bad: tuple[int, ...] = ()  # workers with something at BAD_STEP that is no number: this
    value: float = np.inf
    change: Change | None = None

    def __call__(self, worker: int, step: int, x: Vector) -> Vector:
        sizes = [LAYERS[layer] for layer in self.layers]
        total = sum(slope(worker) * x - np.sin(0.7 * (step + turn / 2) + worker) for turn in range(self.passes))
        if worker in self.bad and step == BAD_STEP:
            total[-LAYERS[-1] + BAD_ELEMENT] = BAD
        total = np.clip(total, -BAD, BAD)
        return total if self.change is None else np.concatenate(self.change(split(total, sizes), worker, step))


def reference(
    algorithm: Algorithm,
    rule: Rule,
    local: Local,
    *,
    ranks: int,
    rank: int,
    steps: int = STEPS,
    replay: Recording | None = None,
) -> tuple[Trace, Vector, Slots]:
    """The virtual run, what this rank ends with, and its optimizer's state where it has one of its own or a common one."""
    parts = split(start())
    optimizer = Remembering(rule)
    alone = algorithm.name == "no_communication"
    cluster = Cluster(
        workers=1 if alone else ranks,
        algorithm=algorithm,
        optimizer=optimizer,
        parameters=np.concatenate([parts[layer] for layer in local.layers]),
        gradient=(lambda _, step, x: local(rank, step, x)) if alone else local,
        layers=[LAYERS[layer] for layer in local.layers],
    )
    trace = cluster.run(steps=0 if replay else steps, record=0, replay=replay)
    return trace, trace.workers[0 if alone else rank], optimizer.slots


@lru_cache(maxsize=64)
def ends(
    algorithm: Algorithm, rule: Rule, local: Local, *, ranks: int, rank: int, steps: int = STEPS
) -> tuple[Vector, Vector | None]:
    """Of `reference`: what this rank ends with, and the moving average. Once for all loops that must end there."""
    _, mine, slots = reference(algorithm, rule, local, ranks=ranks, rank=rank, steps=steps)
    return read_only(mine), read_only(slots[3]) if rule.average else None


def scale_after(flags: Sequence[bool], *, scale: float, growth: int) -> float:
    """Keras's loss scale behind steps of which these were not finite."""
    good = 0
    for bad in flags:
        if bad:
            scale, good = scale / 2, 0
        elif good == growth - 1:
            scale, good = scale * 2, 0
        else:
            good += 1
    return scale
