"""The user's gradients, guarded: what goes wrong is said with worker and step; what is dear is computed together.

A gradient is `f(worker, step, parameters)`. Where each costs the passes of a real net, a `Source` takes its place: it is
asked for the weighted sum of several workers' gradients at one point, which is one batch, and told ahead of time which
gradients will be wanted, so that it may compute them elsewhere meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from algorithms.virtual.optimizers import Vector

GradientFunction = Callable[[int, int, Vector], Vector]
SamplesFunction = Callable[[int, int], int]


class Ended(Exception):  # noqa: N818 - no error: a gradient function says with it that the run is over
    """Raised by a gradient function, to come out of `Cluster.run` as it is."""


class NotFiniteError(ValueError):
    """A gradient holds NaN or infinity."""


class Share(NamedTuple):
    """What one worker's gradient at one of its steps counts in a sum."""

    worker: int
    step: int
    factor: float


@runtime_checkable
class Source(Protocol):
    """Gradients that are dear."""

    @property
    def looks_ahead(self) -> bool:
        """Whether `ahead` is of any use."""
        ...

    def __call__(self, worker: int, step: int, parameters: Vector) -> Vector:
        """The gradient, or what was asked for `ahead`."""
        ...

    def total(self, shares: Sequence[Share], parameters: Vector) -> Vector:
        """The sum of the workers' gradients at one point, each times its factor; there is at least one share."""
        ...

    def ahead(self, worker: int, step: int, parameters: Vector) -> None:
        """This gradient will be called for, later."""
        ...


@dataclass(frozen=True)
class Owed:
    """A gradient that nobody computes before it counts, times a factor. One that is dropped is never computed."""

    worker: int
    step: int
    parameters: Vector
    factor: float = 1.0

    def __mul__(self, factor: float) -> Owed:
        return replace(self, factor=self.factor * factor)


@dataclass(frozen=True)
class Gradients:
    """Calls f(worker, step, parameters) and looks at what comes back."""

    function: GradientFunction | Source
    samples: SamplesFunction | None = None

    @cached_property
    def source(self) -> Source | None:
        """Where gradients are dear."""
        return self.function if isinstance(self.function, Source) else None

    def weight(self, worker: int, step: int) -> int:
        """How many samples the worker has at this step; every worker one where nothing is said."""
        if self.samples is None:
            return 1
        count = self.samples(worker, step)
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            raise ValueError(f"samples={count!r} of worker {worker} at step {step}: must be a whole number >= 0")
        return int(count)

    def __call__(self, worker: int, step: int, parameters: Vector) -> Vector:
        whose = f"the gradient of worker {worker} at step {step}"
        return self._checked(lambda: self.function(worker, step, parameters), parameters, whose)

    def total(self, shares: Sequence[Share], parameters: Vector) -> Vector:
        """The sum over shares, those that weigh nothing left out; in one batch where there is a `Source`."""
        shares = [share for share in shares if share.factor]
        if not shares:
            return parameters * 0
        source = self.source
        if source is None:
            total = self._times(shares[0], parameters)
            for share in shares[1:]:
                total = total + self._times(share, parameters)
            return total
        first, rest = shares[0], len(shares) - 1
        whose = f"the gradient of worker {first.worker} at step {first.step}" + (f" and {rest} others" if rest else "")
        return self._checked(lambda: source.total(shares, parameters), parameters, whose)

    def owed(self, owed: Sequence[Owed]) -> Vector:
        """The sum of gradients that nobody has computed so far: those of one point together."""
        points: dict[int, list[Owed]] = {}
        for one in owed:
            points.setdefault(id(one.parameters), []).append(one)
        totals = [
            self.total([Share(one.worker, one.step, one.factor) for one in those], those[0].parameters)
            for those in points.values()
        ]
        total = totals[0]
        for other in totals[1:]:
            total = total + other
        return total

    def _times(self, share: Share, parameters: Vector) -> Vector:
        gradient = self(share.worker, share.step, parameters)
        return gradient if share.factor == 1 else gradient * share.factor

    def _checked(self, make: Callable[[], Vector], parameters: Vector, whose: str) -> Vector:
        try:
            made = make()
            gradient = np.asarray(made) if isinstance(parameters, np.ndarray) else made
        except Ended:
            raise
        except Exception as error:
            raise RuntimeError(f"{whose} raised {error!r}") from error
        if gradient.shape != parameters.shape:
            raise ValueError(f"{whose} has shape {gradient.shape}, the parameters have {parameters.shape}")
        if not math.isfinite(float(gradient.sum())) and not math.isfinite(float(abs(gradient).max())):
            raise NotFiniteError(f"{whose} is not finite")
        return gradient
