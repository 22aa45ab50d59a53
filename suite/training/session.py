"""What a training loop needs of a framework: a step, an evaluation, a checkpoint. Nothing here knows an algorithm.

    session = TorchSession(model, optimizer, learning_rate=rule)       # or TensorflowSession: the same interface
    losses = session.steps([batch])                                    # one update per batch; timed by whoever calls
    evaluation = session.evaluate(source.batches())                    # at the optimizer's `evaluation()` parameters
    session.save(path); session.load(path)

The optimizer is the user's own, wrapped by an algorithm or bare (`bare_torch.Bare`, `bare_tensorflow.Bare`).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from suite.data import Batch
from suite.training.evaluation import Evaluation


class CheckpointError(ValueError):
    """Names the file, what is wrong with it and what was expected."""

    def __init__(self, path: Path | str, found: str, expected: str) -> None:
        super().__init__(f"{path}: {found}; expected {expected}")
        self.path = Path(path)


class Session(Protocol):
    framework: str
    steps_taken: int
    """Updates so far, those before a resumed checkpoint included; the learning rate is a function of it."""
    steps_per_call: int
    """How many batches `steps` wants at a time (fewer are legal, and cost a trace in TensorFlow)."""

    def steps(self, batches: Sequence[Batch], weights: Sequence[float] | None = None) -> list[float | None]:
        """One update per batch, in order; returns their losses when the last one is done.

        `weights`: what each batch's gradient counts in the average over ranks (`Source.weight`), 1 if left out. A batch
        without samples takes part in the exchange with a zero gradient, leaves normalisation statistics alone, and has
        no loss: None. Nor may a step have one that the algorithm left before its end.
        """

    def evaluate(self, batches: Iterable[Batch]) -> Evaluation:
        """Counts over all batches at the parameters that the algorithm evaluates; `NOTHING` if there are none."""

    def parameters(self) -> dict[str, NDArray[np.float32]]:
        """The trainable values as they stand now, by name."""

    def save(self, path: Path) -> None:
        """Model, optimizer, step count and random state, in one file that appears whole or not at all."""

    def load(self, path: Path) -> None:
        """The reverse; CheckpointError if the file is missing, damaged or of another model."""


def check_call(batches: Sequence[Batch], weights: Sequence[float] | None) -> list[float]:
    """The weights of a call of `steps`, checked."""
    if not batches:
        raise ValueError("steps of 0 batches: at least 1")
    if weights is None:
        return [1.0] * len(batches)
    if len(weights) != len(batches):
        raise ValueError(f"{len(weights)} weights for {len(batches)} batches: one for each")
    for weight in weights:
        if not (np.isfinite(weight) and weight >= 0):
            raise ValueError(f"weight = {weight}: finite, 0 or more")
    return list(weights)
