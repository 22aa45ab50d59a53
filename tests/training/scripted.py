"""A session without a framework: it plays losses and accuracies from a script, for tests of the loop."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.data import Batch
from suite.training.evaluation import Evaluation


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    framework = "script"

    def __init__(
        self,
        *,
        clock: Clock,
        loss: Callable[[int], float] = lambda step: 1.0,
        accuracy: Callable[[int], float] = lambda step: 0.0,
        steps_per_call: int = 1,
        step_seconds: float = 1.0,
    ) -> None:
        self.steps_taken = 0
        self.steps_per_call = steps_per_call
        self.saved: list[int] = []
        self.finished_at: list[int] = []
        self.read: list[tuple[int, float]] = []
        self.seen: list[bytes] = []
        self._clock, self._loss, self._accuracy, self._step_seconds = clock, loss, accuracy, step_seconds

    def steps(self, batches: Sequence[Batch], weights: Sequence[float] | None = None) -> list[float | None]:
        losses: list[float | None] = []
        for (images, labels), weight in zip(batches, weights or [1.0] * len(batches), strict=True):
            self.read.append((len(labels), weight))
            self.seen.append(images.tobytes())
            losses.append(self._loss(self.steps_taken) if len(labels) else None)
            self.steps_taken += 1
            self._clock.now += self._step_seconds
        return losses

    def evaluate(self, batches: Iterable[Batch]) -> Evaluation:
        self._clock.now += 100.0
        samples = sum(len(labels) for _, labels in batches)
        right = round(self._accuracy(self.steps_taken) * samples)
        return Evaluation(samples=samples, loss_sum=0.0, top1_count=right, top5_count=samples)

    def finish(self) -> None:
        """The optimizer's, which a script has not."""
        self.finished_at.append(self.steps_taken)

    def parameters(self) -> dict[str, NDArray[np.float32]]:
        return {}

    def save(self, path: Path) -> None:
        self._clock.now += 1000.0
        self.saved.append(self.steps_taken)

    def load(self, path: Path) -> None:
        self.steps_taken = int(path.name)
