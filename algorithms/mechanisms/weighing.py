"""Gradients that count by their samples, without growing by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(eq=False)
class Heard:
    """What all ranks said of one step, once its answer has come."""

    mean: float | None = None  # weight
    present: Sequence[bool] | None = None  # which parameters had a gradient anywhere


class Weighing:
    """How many samples count as one: as many as a rank has on average, or what is weighed outgrows half precision.

    A power of two, so that dividing by it rounds nothing. The first step's mean is asked for; later ones go by the last
    step that is sure to have been answered on every rank, so that all have the same without asking again. Where a format
    remembers what it has not sent, that is counted alike for good.
    """

    def __init__(self, ask: Callable[[float], float], *, for_good: bool) -> None:
        self._ask, self._for_good = ask, for_good
        self._unit: float | None = None
        self.last = Heard()

    def unit(self, weight: float) -> float:
        """Of this step, in which this rank has so much. Collective the first time; once a step."""
        if self._unit is None:
            self._unit = about(self._ask(weight))
        elif self.last.mean is not None and not self._for_good:
            self._unit = about(self.last.mean)
        return self._unit

    def leaves(self) -> bool:
        """This rank will not ask. Whether the others may still wait for what it would have said."""
        asked, self._unit = self._unit is not None, self._unit or 1.0
        return not asked


def about(mean: float) -> float:
    """The power of two next above."""
    return math.ldexp(1.0, math.frexp(mean)[1]) if mean > 0 else 1.0
