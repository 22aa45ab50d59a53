"""An algorithm that nobody has heard of: its file is all that the virtual cluster and PyTorch need of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Array, Centre, Moment, Own, Reads, Rounds, Situation
from algorithms.mechanisms.quorum.rules import rules
from algorithms.torch import DistributedOptimizer
from algorithms.virtual import SGD, Cluster

RATE = 0.125


@dataclass(frozen=True, kw_only=True)
class Tethered(Rounds):
    """Each local step is pulled towards the centre by its rate; every second round is twice as strong; adopted late."""

    name: ClassVar[str] = "tethered"

    pull: float = 0.5
    early: bool = True
    overlap: int = 0

    @property
    def departs(self) -> Moment:
        return Moment.STEP_BEGINS if self.early else Moment.STEP_ENDED

    def quorum(self, workers: int) -> int:
        return workers

    def meets(self, step: int) -> bool:
        return step % 2 == 1

    def own(self, x: Array) -> Own:
        return Own(parameters=x, anchor=x)

    @property
    def local_reads(self) -> Reads | None:
        return Reads.RATE if self.overlap else Reads.CENTRE | Reads.ROUND | Reads.RATE

    def local(self, own: Own, moved: Array, centre: Centre, situation: Situation) -> Own:
        strength = self.pull * situation.learning_rate
        if self.overlap:  # the centre may be any by then
            return replace(own, parameters=moved + (own.anchor - moved) * strength)
        return replace(own, parameters=moved + (centre.parameters - moved) * strength * (1 + situation.round % 2))

    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        return own.parameters - own.anchor

    def close(self, centre: Centre, total: Array, situation: Situation) -> Centre:
        return replace(centre, parameters=centre.parameters + total / situation.contributions)

    def memory(self) -> float:
        return 5


@pytest.fixture
def horovod(gloo_alone: None) -> Iterator[None]:
    hvd.init()
    yield
    hvd.shutdown()


@pytest.mark.parametrize(
    "algorithm", [Tethered(), Tethered(early=False, overlap=1), Tethered(early=False)], ids=["early", "late", "at once"]
)
def test_pytorch_does_what_the_virtual_cluster_does(algorithm: Tethered, horovod: None) -> None:
    target = torch.arange(4, dtype=torch.float64)

    def gradient(worker: int, step: int, x: np.ndarray) -> np.ndarray:
        return x - target.numpy() + np.sin(step)

    expected = Cluster(
        workers=1,
        algorithm=algorithm,
        optimizer=SGD(learning_rate=RATE),
        parameters=np.ones(4),
        gradient=gradient,
    ).run(steps=9, record=0)
    net = torch.nn.Module()
    net.weight = torch.nn.Parameter(torch.ones(4, dtype=torch.float64))
    net.forward = lambda step: (0.5 * (net.weight - target) ** 2 + net.weight * np.sin(step)).sum()
    with DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=RATE), net, algorithm) as opt:
        for step in range(9):
            opt.zero_grad()
            net(step).backward()
            opt.step()
        opt.finish()
        np.testing.assert_allclose(net.weight.detach().numpy(), expected.workers[0], rtol=1e-12)
        with opt.evaluation():
            np.testing.assert_allclose(net.weight.detach().numpy(), expected.parameters[-1], rtol=1e-12)


def test_what_it_does_not_declare_is_refused() -> None:
    class Silent(Tethered):
        local_reads = Rounds.local_reads

    class Strict(algorithms.SoftSync):
        def adopt(self, own: Own, contribution: Array, centre: Centre) -> Own:
            return own

    with pytest.raises(TypeError, match="does not say what it looks at"):
        rules(Silent(), 2)
    with pytest.raises(TypeError, match="workers take as it is"):
        rules(Strict(gradients=1), 2)


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.LocalSGD(),
        algorithms.SlowMo(),
        algorithms.DiLoCo(),
        algorithms.ElasticAveraging(),
        algorithms.ElasticAveraging(momentum=0.5),
        algorithms.Downpour(),
        algorithms.Adasum(),
        algorithms.ADMM(),
    ],
    ids=repr,
)
def test_what_the_catalogue_declares_of_its_rules_is_so(algorithm: Rounds) -> None:
    x, situation = np.arange(3.0), Situation(workers=2, round=3, learning_rate=0.1)
    own, centre = algorithm.own(x), algorithm.centre(x + 1)
    assert (algorithm.offer(own, centre, situation) is own.parameters) == algorithm.offers_itself
    moved, reads = x * 2, algorithm.local_reads
    if reads is None:
        after = algorithm.local(own, moved, centre, situation)
        assert after.parameters is moved
        assert after.anchor is own.anchor
    else:
        blind = own if Reads.BEFORE in reads else replace(own, parameters=None)
        algorithm.local(blind, moved, centre if Reads.CENTRE in reads else Centre(), situation)
    if not algorithm.late_reads_offered:
        algorithm.adopt_late(own, Own(parameters=None), x, centre)
