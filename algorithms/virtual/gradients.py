"""The user's gradient function, guarded: what it does wrong is said with worker and step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from algorithms.virtual.optimizers import Vector

GradientFunction = Callable[[int, int, Vector], Vector]
SamplesFunction = Callable[[int, int], int]


@dataclass(frozen=True)
class Gradients:
    """Calls f(worker, step, parameters) and looks at what comes back."""

    function: GradientFunction
    samples: SamplesFunction | None = None

    def weight(self, worker: int, step: int) -> int:
        """How many samples the worker has at this step; every worker one where nothing is said."""
        if self.samples is None:
            return 1
        count = self.samples(worker, step)
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            raise ValueError(f"samples={count!r} of worker {worker} at step {step}: must be a whole number >= 0")
        return int(count)

    def __call__(self, worker: int, step: int, parameters: Vector) -> Vector:
        try:
            gradient = np.asarray(self.function(worker, step, parameters))
        except Exception as error:
            raise RuntimeError(f"the gradient of worker {worker} at step {step} raised {error!r}") from error
        if gradient.shape != parameters.shape:
            raise ValueError(
                f"the gradient of worker {worker} at step {step} has shape {gradient.shape}, "
                f"the parameters have {parameters.shape}"
            )
        if not math.isfinite(float(gradient.sum())) and not np.isfinite(gradient).all():
            raise ValueError(f"the gradient of worker {worker} at step {step} is not finite")
        return gradient
