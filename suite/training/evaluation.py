"""What an evaluation counts, and when one is due."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Counts, not means: what several ranks counted on their parts adds up exactly."""

    samples: int
    """Predictions made: one per sample, or one per position where a net answers for each position."""
    loss_sum: float
    top1_count: int
    top5_count: int

    @property
    def loss(self) -> float:
        return self.loss_sum / self.samples

    @property
    def top1(self) -> float:
        return self.top1_count / self.samples

    @property
    def top5(self) -> float:
        return self.top5_count / self.samples


def merged(parts: Iterable[Evaluation]) -> Evaluation:
    held = list(parts)
    total = Evaluation(
        samples=sum(part.samples for part in held),
        loss_sum=sum(part.loss_sum for part in held),
        top1_count=sum(part.top1_count for part in held),
        top5_count=sum(part.top5_count for part in held),
    )
    if total.samples == 0:
        raise ValueError("an evaluation over 0 samples: give at least 1")
    return total


NOTHING = Evaluation(samples=0, loss_sum=0.0, top1_count=0, top5_count=0)
"""What a rank without samples counts; `merged` takes it."""


def count(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Evaluation:
    """Of logits `... x classes` and labels `...`.

    A label is among the first k if fewer than k other classes score at least as high: a net that answers the same for every
    class knows nothing and gets nothing. NaN is never right.
    """
    classes = logits.shape[-1]
    rows, truth = logits.reshape(-1, classes).astype(np.float64), labels.reshape(-1)
    if len(rows) != len(truth):
        raise ValueError(f"logits of shape {logits.shape} for labels of shape {labels.shape}")
    if truth.size and (truth.min() < 0 or truth.max() >= classes):
        raise ValueError(f"labels from {truth.min()} to {truth.max()}: 0 <= label < {classes}")
    own = rows[np.arange(len(rows)), truth]
    ahead = np.sum(~(rows < own[:, None]), axis=1) - 1  # "not below" rather than "at least": so NaN stands ahead
    finite = np.isfinite(own)
    highest = np.max(rows, axis=1, initial=-np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        spread = np.log(np.sum(np.exp(rows - highest[:, None]), axis=1))
        losses = highest + spread - own
    return Evaluation(
        samples=len(rows),
        loss_sum=float(np.sum(losses)),
        top1_count=int(np.sum(finite & (ahead < 1))),
        top5_count=int(np.sum(finite & (ahead < 5))),
    )


def due(before: int, after: int, every: int) -> bool:
    """Whether a multiple of `every` samples was passed between two counts of samples seen (by all ranks together)."""
    if every < 1:
        raise ValueError(f"every = {every}: at least 1 sample")
    return after // every > before // every
