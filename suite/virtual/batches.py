"""Every worker's own part of the data in its own order, by worker and step: what the ranks of a real run read."""

from __future__ import annotations

from suite.data import Batch, Source
from suite.data.sharding import Indices


class Batches:
    """Random access to the streams that `Source.stream` gives to ranks one by one; one data set serves all workers.

    A rank reads on whatever became of its last batch. Where an algorithm's steps are numbered by rounds, which late workers
    skip, a worker's batches are therefore numbered by what it began: `begin` says when.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.begun: dict[int, tuple[int, int]] = {}  # worker -> batches begun, and the step that the last was for
        self._orders: dict[int, tuple[int, Indices]] = {}  # worker -> its epoch, and the samples in their order

    def begin(self, worker: int, step: int) -> None:
        """The worker's next batch is for this step."""
        self.begun[worker] = (self.begun.get(worker, (0, 0))[0] + 1, step)

    def number(self, worker: int, step: int) -> int:
        """Of the batch for this step: the step's own, or the worker's last."""
        held = self.begun.get(worker)
        return held[0] - 1 if held is not None and held[1] == step else step

    def count(self, worker: int, step: int) -> int:
        sharding = self.source.sharding
        return sharding.count(worker, self.number(worker, step) % sharding.steps_per_epoch)

    def batch(self, worker: int, step: int) -> Batch:
        epoch, place = divmod(self.number(worker, step), self.source.steps_per_epoch)
        held = self._orders.get(worker)
        if held is None or held[0] != epoch:
            held = self._orders[worker] = (epoch, self.source.order(worker, epoch))
        return self.source.batch_of(worker, epoch, place, held[1])
