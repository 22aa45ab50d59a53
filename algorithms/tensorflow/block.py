"""Where a step stands among the steps that are traced into one function."""

from __future__ import annotations

from dataclasses import dataclass

from algorithms.tensorflow.pieces import Route
from algorithms.tensorflow.profile import Stopwatch


@dataclass(frozen=True)
class Block:
    """What a driver may know of the function it traces a step into; by itself a step is all there is."""

    step: int = 0
    steps: int = 1
    route: Route | None = None  # None: each tensor leaves whole, when it is ready
    stopwatch: Stopwatch | None = None

    @property
    def is_last(self) -> bool:
        return self.step == self.steps - 1
