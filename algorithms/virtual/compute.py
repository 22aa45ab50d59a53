"""How long a worker computes on a step, in virtual seconds: distributions, one seeded stream for each worker."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from algorithms.mechanisms.validation import real, whole


@dataclass(frozen=True)
class Spent:
    """On a step's computation: what it takes by itself, and the delay that goes before it."""

    compute: float
    injected: float = 0.0

    @property
    def seconds(self) -> float:
        return self.compute + self.injected


Draw = Callable[[], Spent]  # what the next step of one worker takes


class Compute(Protocol):
    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        """The stream of one worker's compute times."""
        ...


@dataclass(frozen=True, kw_only=True)
class Constant:
    seconds: float = 1.0

    def __post_init__(self) -> None:
        real("seconds", self.seconds, 0)

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        return lambda: Spent(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Exponential:
    mean: float = 1.0

    def __post_init__(self) -> None:
        real("mean", self.mean, 0, low_allowed=False)

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        return lambda: Spent(generator.exponential(self.mean))


@dataclass(frozen=True, kw_only=True)
class LogNormal:
    median: float = 1.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        real("median", self.median, 0, low_allowed=False)
        real("sigma", self.sigma, 0)

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        return lambda: Spent(generator.lognormal(math.log(self.median), self.sigma))


@dataclass(frozen=True, kw_only=True)
class Pareto:
    """At least `minimum`; the tail falls like t^-shape."""

    minimum: float = 1.0
    shape: float = 2.0

    def __post_init__(self) -> None:
        real("minimum", self.minimum, 0, low_allowed=False)
        real("shape", self.shape, 0, low_allowed=False)

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        return lambda: Spent(self.minimum * (1 + generator.pareto(self.shape)))


@dataclass(frozen=True, kw_only=True)
class Bimodal:
    """Slow with a probability, fast otherwise, step by step."""

    fast: float = 1.0
    slow: float = 4.0
    probability: float = 0.1

    def __post_init__(self) -> None:
        real("fast", self.fast, 0)
        real("slow", self.slow, 0)
        real("probability", self.probability, 0, 1)

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        return lambda: Spent(self.slow if generator.random() < self.probability else self.fast)


@dataclass(frozen=True, kw_only=True)
class Slow:
    """One worker is slower than the others, always."""

    worker: int = 0
    factor: float = 4.0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        whole("worker", self.worker, 0)
        real("factor", self.factor, 0, low_allowed=False)
        real("seconds", self.seconds, 0)

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        return lambda: Spent(self.seconds * (self.factor if worker == self.worker else 1))


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Times of a recorded run, one sequence for each worker; they repeat when they are used up."""

    seconds: Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        for worker, times in enumerate(self.seconds):
            if not len(times) or not all(math.isfinite(t) and t >= 0 for t in times):
                raise ValueError(f"seconds[{worker}]={times!r}: must be a non-empty sequence of numbers >= 0")

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        if worker >= len(self.seconds):
            raise ValueError(f"worker {worker} has no recorded times: there are {len(self.seconds)} sequences")
        times = self.seconds[worker]
        position = -1

        def following() -> Spent:
            nonlocal position
            position += 1
            return Spent(times[position % len(times)])

        return following
