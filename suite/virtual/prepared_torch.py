"""Everything that a mistake of the user's could spoil, made before a virtual run starts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from algorithms.virtual import Cluster, Compute
from algorithms.virtual import gradients as dear
from algorithms.virtual.gradients import GradientFunction
from suite.cluster.local import usable_cores
from suite.data import Source
from suite.experiment.live import Live
from suite.rank.sources import open_source
from suite.record.specification import Specification
from suite.virtual import fitting, memory
from suite.virtual.batches import Batches
from suite.virtual.gradients_torch import PASS
from suite.virtual.net_torch import FlatNet
from suite.virtual.times import machines

EVALUATED_AT_ONCE = 256  # samples


@dataclass
class Prepared:
    """A net, its data, and the cluster that trains it."""

    live: Live
    net: FlatNet
    batches: Batches
    test: Source | None
    needs: int  # bytes, at most
    began: float

    @property
    def specification(self) -> Specification:
        return self.live.specification

    @property
    def algorithm(self) -> Any:
        return self.live.algorithm

    @cached_property
    def free(self) -> bool:
        return fitting.goes_free(self.algorithm, self.specification.workers)

    @cached_property
    def partly(self) -> bool:
        """Whether rounds go on without some of the workers."""
        return self.live.waits_for < self.specification.workers

    def cluster(self, gradient: dear.Source | GradientFunction, compute: Compute) -> Cluster:
        """The workers, as the specification has them."""
        specification = self.specification
        return Cluster(
            workers=specification.workers,
            algorithm=self.algorithm,
            optimizer=fitting.optimizer_of(specification.optimizer),
            parameters=self.net.initial,
            gradient=gradient,
            compute=compute,
            network=machines(specification).network(),
            samples=self._samples,
            arrivals=fitting.arrivals_of(self.algorithm),
            seed=specification.seed,
            **self._travelling(specification.form),
        )

    def _travelling(self, form: str) -> dict[str, Any]:
        """In which form numbers travel, and what it has to know of the net."""
        if form == "none":
            return {"layers": self.net.sizes}
        from algorithms.torch.arrays import TorchArrays, shape_of  # with Horovod, which nothing else here needs

        shapes = tuple(shape_of(parameter) for parameter in self.net.parameters)
        return {"layers": shapes, "wire": form, "arrays": TorchArrays()}

    def _samples(self, worker: int, step: int) -> int:
        """Ranks that go on without the slowest do not know what the others have: a gradient counts, or there is none."""
        count = self.batches.count(worker, step)
        return min(1, count) if self.partly else count


def prepare(specification: Specification, dtype: torch.dtype = torch.float32) -> Prepared:
    live = Live(specification)
    fitting.refuse_what_has_no_virtual_form(live)
    began = time.time()
    torch.set_num_threads(specification.threads)
    workers = specification.workers
    algorithm = live.algorithm
    algorithm.check(workers)
    device = "cuda" if specification.device == "gpu" else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'gpu': PyTorch finds no GPU here; use cpu")
    samples = max(specification.batch_size, min(PASS, specification.batch_size * workers))
    needs = memory.needed(live.net, algorithm, specification.optimizer, workers, samples, usable_cores())
    memory.refuse_what_does_not_fit(needs, memory.free(), workers)
    source = open_source(specification, "train", 0, workers, every_rank=True)
    fitting.refuse_too_many_workers(workers, source.total_samples)
    test = None
    if specification.evaluate_every:
        larger = specification.model_copy(update={"batch_size": EVALUATED_AT_ONCE})
        test = open_source(larger, "test", 0, 1)
    net = FlatNet(live.net, specification.seed, device, dtype)
    return Prepared(live, net, Batches(source), test, needs, began)
