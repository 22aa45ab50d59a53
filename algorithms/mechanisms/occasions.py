"""When a route is planned: after the first steps, and again where other tensors travel than it was planned for."""

from __future__ import annotations

from collections.abc import Sequence

STEPS = range(1, 4)  # that are measured: the first one allocates and compiles
PATIENCE = 10  # steps, one after the other, with gradients of the same parameters; twice as many each time


class Occasions:
    """Goes by the number of steps and by what all workers have said, so that all of them plan together."""

    def __init__(self) -> None:
        self._measured = STEPS
        self._patience = PATIENCE
        self._planned: Sequence[bool] | None = None
        self._seen: Sequence[bool] | None = None
        self._times = 0

    def measures(self, step: int) -> bool:
        """Whether times within this step are of use."""
        return step in self._measured

    def plans(self, steps: int, present: Sequence[bool] | None) -> bool:
        """Whether to plan now, behind so many steps. `present`: which parameters had a gradient somewhere, lately.

        A layer that was frozen counts as ready last, and would never overlap; one that has been frozen since holds up
        what was planned behind it.
        """
        self._times = self._times + 1 if present == self._seen else 1
        self._seen = present
        if steps < self._measured.stop:
            return False
        if steps == self._measured.stop or self._planned is None:
            self._planned = present
        elif present != self._planned and self._times >= self._patience:
            self._patience *= 2
            self._measured = range(steps, steps + len(STEPS))
        return steps == self._measured.stop
