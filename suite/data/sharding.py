"""Who reads what: a fixed, disjoint, seeded partition of the samples among the ranks, in pure functions of numbers.

Every rank keeps its own part for the whole run and shuffles only inside it, as the ranks of the 2016 asynchrony paper
did (papers.md 1.1), so no two ranks ever see the same sample, in one epoch or in two.

All ranks take the same number of steps per epoch, because a collective that one rank leaves out hangs the others:

* ``last="short"``: as many steps as the largest part needs. Parts differ by at most one sample, so late batches may be
  short, and a rank without samples (fewer samples than ranks, or its part is used up) gets an empty batch.
* ``last="drop"``: only full batches, as many as the smallest part holds; what is left over differs from epoch to epoch.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Last = Literal["short", "drop"]

# One number per purpose, so that two streams drawn from one seed never coincide.
PARTITION, ORDER, AUGMENTATION, CHOICE = 1, 2, 3, 4


@dataclass(frozen=True, kw_only=True)
class Sharding:
    samples: int
    size: int
    batch_size: int
    seed: int
    shuffle: bool = True
    last: Last = "short"

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples = {self.samples}: a data set needs at least 1")
        if self.size < 1:
            raise ValueError(f"size = {self.size}: at least 1 rank")
        if self.batch_size < 1:
            raise ValueError(f"batch_size = {self.batch_size}: at least 1")
        if self.seed < 0:
            raise ValueError(f"seed = {self.seed}: 0 or more")
        if self.last not in ("short", "drop"):
            raise ValueError(f"last = {self.last!r}: 'short' or 'drop'")
        if self.last == "drop" and self.steps_per_epoch == 0:
            raise ValueError(
                f"batch_size = {self.batch_size}: the smallest of {self.size} parts of {self.samples} samples holds "
                f"{self.owned_count(self.size - 1)}, so dropping short batches would drop everything"
            )

    def owned_count(self, rank: int) -> int:
        self._check_rank(rank)
        return self.samples // self.size + (1 if rank < self.samples % self.size else 0)

    def owned(self, rank: int) -> Indices:
        """The samples that belong to `rank`, ascending; the same in every epoch."""
        self._check_rank(rank)
        if self.size == 1:
            return np.arange(self.samples, dtype=np.int64)
        start = rank * (self.samples // self.size) + min(rank, self.samples % self.size)
        return np.sort(self._dealt[start : start + self.owned_count(rank)])

    @cached_property
    def _dealt(self) -> Indices:
        """All samples as they are dealt; made once, for virtual workers ask a hundred times an epoch."""
        return np.random.default_rng([self.seed, PARTITION]).permutation(self.samples).astype(np.int64)

    def order(self, rank: int, epoch: int) -> Indices:
        """The samples of `rank` in the order in which it reads them in `epoch`."""
        owned = self.owned(rank)
        if not self.shuffle:
            return owned
        return np.random.default_rng([self.seed, ORDER, rank, epoch]).permutation(owned)

    @cached_property
    def steps_per_epoch(self) -> int:
        """Worked out once: virtual workers ask it at every batch."""
        if self.last == "drop":
            return self.owned_count(self.size - 1) // self.batch_size
        return -(-self.owned_count(0) // self.batch_size)

    def count(self, rank: int, step: int) -> int:
        """How many samples `rank` gets in step `step` of an epoch: batch_size, fewer, or none."""
        if not 0 <= step < self.steps_per_epoch:
            raise ValueError(f"step = {step}: 0 <= step < {self.steps_per_epoch}")
        return max(0, min(self.batch_size, self.owned_count(rank) - step * self.batch_size))

    def total(self, step: int) -> int:
        """How many samples all ranks together get in step `step`; at least 1."""
        return sum(self.count(rank, step) for rank in range(self.size))

    def samples_until(self, step: int) -> int:
        """How many samples all ranks together have read before step `step`, counted over all epochs."""
        return sum(self.own_samples_until(rank, step) for rank in range(self.size))

    def own_samples_until(self, rank: int, step: int) -> int:
        """How many of them `rank` has read."""
        epochs, rest = divmod(step, self.steps_per_epoch)
        whole, part = (min(self.owned_count(rank), steps * self.batch_size) for steps in (self.steps_per_epoch, rest))
        return epochs * whole + part

    def weight(self, rank: int, step: int) -> float:
        """The factor on this rank's mean gradient that makes the plain average over ranks the mean over samples.

        (1/size) * sum_i weight_i * mean_i = sum_i n_i * mean_i / sum_i n_i.  1 in every full step, 0 for an empty batch.
        """
        return self.count(rank, step) * self.size / self.total(step)

    def _check_rank(self, rank: int) -> None:
        if not 0 <= rank < self.size:
            raise ValueError(f"rank = {rank}: 0 <= rank < {self.size}")


def choose(samples: int, limit: int | None) -> Indices:
    """All samples, or `limit` of them: always the same ones, spread over the whole (data on disk is sorted by class)."""
    if limit is None:
        return np.arange(samples, dtype=np.int64)
    if not 1 <= limit <= samples:
        raise ValueError(f"limit = {limit}: 1 <= limit <= {samples}, the samples there are")
    return np.sort(np.random.default_rng([0, CHOICE]).permutation(samples)[:limit]).astype(np.int64)
