"""Time, samples and steps to target accuracies. A target that was not reached is an answer, not a gap."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Point:
    """One evaluation in the course of a run."""

    step: int
    samples: int
    """Seen by all ranks together."""
    seconds: float
    accuracy: float


@dataclass(frozen=True)
class Outcome:
    target: float
    at: Point | None
    """The first evaluation at or above the target; None: never reached."""

    @property
    def reached(self) -> bool:
        return self.at is not None

    def __str__(self) -> str:
        if self.at is None:
            return f"{self.target:.1%} never reached"
        return f"{self.target:.1%} reached at step {self.at.step}, {self.at.samples} samples, {self.at.seconds:.3g} s"


def check_targets(targets: Sequence[float]) -> tuple[float, ...]:
    for target in targets:
        if not 0 < target <= 1:
            raise ValueError(f"target = {target}: 0 < target <= 1")
    if list(targets) != sorted(set(targets)):
        raise ValueError(f"targets = {list(targets)}: must ascend, each once")
    return tuple(targets)


def outcomes(points: Sequence[Point], targets: Sequence[float]) -> tuple[Outcome, ...]:
    return tuple(
        Outcome(target, next((point for point in points if point.accuracy >= target), None))
        for target in check_targets(targets)
    )


def all_reached(points: Sequence[Point], targets: Sequence[float]) -> bool:
    """False without targets: nothing to reach is no reason to stop."""
    return bool(targets) and all(outcome.reached for outcome in outcomes(points, targets))
