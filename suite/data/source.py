"""One rank's stream of batches out of one data set."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from suite.data.contents import Contents
from suite.data.prefetch import Clock, Prefetcher
from suite.data.sharding import AUGMENTATION, Indices, Sharding

Inputs = NDArray[Any]
Labels = NDArray[np.int64]
Batch = tuple[Inputs, Labels]
"""Images N x H x W x C in float32, labels N; or tokens N x length in int32, labels N x length (one answer per position).

N = 0 is legal: a rank without samples in this step.
"""

Split = Literal["train", "test"]


class DataSet(Protocol):
    """What a reader offers: samples by number, and nothing about ranks or epochs."""

    @property
    def contents(self) -> Contents: ...

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of one input."""

    @property
    def skipped(self) -> int:
        """Samples left out so far because they could not be read and the user asked to go on."""

    def keep(self, owned: Indices) -> None:
        """Announces, once, the only samples this rank will ever read."""

    def read(self, samples: Indices, random: np.random.Generator | None) -> Batch:
        """The samples, augmented out of `random` or, without it, as they are evaluated."""


@dataclass(kw_only=True)
class Source:
    data_set: DataSet
    chosen: Indices
    """The samples of the data set that are in use; `sharding` deals them out."""
    sharding: Sharding
    rank: int
    augment: bool
    depth: int = 2
    clock: Clock = time.perf_counter
    every_rank: bool = False
    """This process reads what all ranks do (`order`, `batch_of`)."""

    def __post_init__(self) -> None:
        self.data_set.keep(self.chosen if self.every_rank else self.chosen[self.sharding.owned(self.rank)])

    @property
    def samples(self) -> int:
        """Samples of this rank."""
        return self.sharding.owned_count(self.rank)

    @property
    def total_samples(self) -> int:
        """Samples of all ranks."""
        return self.sharding.samples

    @property
    def steps_per_epoch(self) -> int:
        """The same on every rank."""
        return self.sharding.steps_per_epoch

    @property
    def classes(self) -> int:
        return len(self.contents.classes)

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self.data_set.image_shape

    @property
    def contents(self) -> Contents:
        """To be compared between ranks with `check_same` before training starts."""
        return self.data_set.contents

    @property
    def skipped(self) -> int:
        return self.data_set.skipped

    def weight(self, step: int) -> float:
        """What step `step`, counted over all epochs, weighs in the plain average over ranks; see Sharding.weight."""
        return self.sharding.weight(self.rank, step % self.steps_per_epoch)

    def samples_until(self, step: int) -> int:
        """How many samples all ranks together have read before step `step`, counted over all epochs."""
        return self.sharding.samples_until(step)

    def own_samples_until(self, step: int) -> int:
        """How many samples this rank has read before its own step `step`."""
        return self.sharding.own_samples_until(self.rank, step)

    def batches(self, epoch: int = 0) -> Prefetcher[Batch]:
        """One epoch, read ahead in the background."""
        if epoch < 0:
            raise ValueError(f"epoch = {epoch}: 0 or more")
        return Prefetcher(self._epoch(epoch, 0), depth=self.depth, clock=self.clock)

    def stream(self, step: int = 0) -> Prefetcher[Batch]:
        """Epoch after epoch without end, beginning at `step` counted over all epochs: where a resumed run goes on."""
        if step < 0:
            raise ValueError(f"step = {step}: 0 or more")
        return Prefetcher(self._endless(step), depth=self.depth, clock=self.clock)

    def _endless(self, step: int) -> Iterator[Batch]:
        epoch, first = divmod(step, self.steps_per_epoch)
        while True:
            yield from self._epoch(epoch, first)
            epoch, first = epoch + 1, 0

    def _epoch(self, epoch: int, first: int) -> Iterator[Batch]:
        order = self.order(self.rank, epoch)
        for step in range(first, self.steps_per_epoch):
            yield self.batch_of(self.rank, epoch, step, order)

    def part_of(self, rank: int, size: int) -> Iterator[Batch]:
        """What a rank of that many would have of this data, where one process reads all of it, once, in order."""
        dealt = replace(self.sharding, size=size)
        owned = self.chosen[dealt.owned(rank)]
        for first in range(0, len(owned), dealt.batch_size):
            yield self.data_set.read(owned[first : first + dealt.batch_size], None)

    def order(self, rank: int, epoch: int) -> Indices:
        """The samples of a rank's epoch, in its order."""
        return self.chosen[self.sharding.order(rank, epoch)]

    def batch_of(self, rank: int, epoch: int, step: int, order: Indices) -> Batch:
        """One batch of a rank's epoch, whose `order` it is."""
        # One generator per batch: a resumed run draws the same crops as one that was never interrupted.
        random = np.random.default_rng([self.sharding.seed, AUGMENTATION, rank, epoch, step]) if self.augment else None
        size = self.sharding.batch_size
        return self.data_set.read(order[step * size : (step + 1) * size], random)
