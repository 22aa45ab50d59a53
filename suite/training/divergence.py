"""When training has failed: the loss is NaN or infinite, or has exploded and stays so. A verdict, not a crash."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

# The loss that a run starts from is the lowest of its first few: some runs explode within them.
_START_STEPS = 5


@dataclass(frozen=True)
class Diverged:
    step: int
    loss: float
    reason: str

    def __str__(self) -> str:
        return f"diverged at step {self.step}: {self.reason}"


class DivergenceWatch:
    """Looks at every loss; the first verdict stands.

    Exploded: above `factor` times the starting loss for `patience` steps in a row. Single high losses are ordinary, and
    so is a rise to a few times the start (a net that is confidently wrong); a factor of 10 is neither. At least
    `factor` * 1.0, so that a start near zero (a resumed or trivial task) makes nobody a failure.
    """

    def __init__(self, *, factor: float = 10.0, patience: int = 5) -> None:
        if not (math.isfinite(factor) and factor > 1):
            raise ValueError(f"factor = {factor}: above 1")
        if patience < 1:
            raise ValueError(f"patience = {patience}: at least 1")
        self.verdict: Diverged | None = None
        self._factor = factor
        self._patience = patience
        self._first: list[float] = []
        self._high_since: int | None = None
        self._high = 0

    def look(self, step: int, loss: float) -> Diverged | None:
        if self.verdict is None:
            self.verdict = self._judge(step, loss)
        return self.verdict

    def _judge(self, step: int, loss: float) -> Diverged | None:
        if not math.isfinite(loss):
            return Diverged(step, loss, f"the loss is {loss}")
        if len(self._first) < _START_STEPS:
            self._first.append(loss)
        limit = self._factor * max(1.0, min(self._first))
        if loss <= limit:
            self._high_since, self._high = None, 0
            return None
        self._high_since = step if self._high_since is None else self._high_since
        self._high += 1
        if self._high < self._patience:
            return None
        return Diverged(
            self._high_since, loss, f"the loss is {loss:.4g} and was above {limit:.4g} for {self._high} steps"
        )


def earliest(verdicts: Iterable[Diverged | None]) -> Diverged | None:
    """Of all ranks' verdicts the first in steps; None if every rank is well."""
    found = [verdict for verdict in verdicts if verdict is not None]
    return min(found, key=lambda verdict: verdict.step) if found else None
