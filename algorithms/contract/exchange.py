"""Algorithms whose gradients travel in every step."""

from __future__ import annotations

from typing import ClassVar

from algorithms.contract.algorithm import Algorithm
from algorithms.contract.words import Array, Finish, Moment


class Exchange(Algorithm):
    """Gradients travel each step and every worker applies the same average: replicas stay equal (`reduces`)."""

    reduces: ClassVar[bool] = True

    @property
    def start(self) -> Moment:
        """GRADIENT_READY or BACKWARD_ENDED."""
        return Moment.GRADIENT_READY

    @property
    def finish(self) -> Finish:
        """How averages are waited for and applied."""
        return Finish.TOGETHER

    @property
    def delay(self) -> int:
        """Steps between a gradient's departure and its application."""
        return 0

    @property
    def drains(self) -> bool:
        """Whether averages still in flight when training finishes are applied; else they are dropped."""
        return True

    @property
    def compares_parameters(self) -> bool:
        """Whether `correct` looks at the parameters that a delayed gradient was taken at, so that they must be kept."""
        return False

    @property
    def silent(self) -> bool:
        return not self.reduces

    @property
    def hides(self) -> bool:
        return self.start is Moment.GRADIENT_READY or self.finish is Finish.NEXT_USE or self.delay > 0

    def correct(self, gradient: Array, now: Array, then: Array) -> Array:
        """The gradient to apply: the average as it is, unless the algorithm mends what the delay did to it."""
        return gradient

    def memory(self) -> float:
        return 0
