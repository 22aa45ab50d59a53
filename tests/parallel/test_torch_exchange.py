"""Exchanges on real ranks reproduce the virtual driver, and exact algorithms each other bit for bit."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import horovod.torch as hvd
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer
from algorithms.virtual import SGD, AdamW
from tests.parallel import torch_nets

# Fusion depends on timing and decides in which order a sum is taken.
pytestmark = pytest.mark.ranks(2, 4, environment={"HOROVOD_FUSION_THRESHOLD": "0"})

EXACT = [
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    *(algorithms.LayerWise(order=order) for order in ("all", "backward", "completion", "forward")),
    algorithms.Delayed(steps=0),
]
DELAYED = [
    algorithms.Delayed(steps=1),
    algorithms.Delayed(steps=3),
    algorithms.Delayed(steps=2, compensation=0.5),
    algorithms.Delayed(steps=2, drain="drop"),
]
OPTIMIZERS: dict[str, tuple[Callable[[torch.nn.Module], torch.optim.Optimizer], SGD | AdamW]] = {
    "sgd": (
        lambda net: torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.8),
        SGD(learning_rate=0.02, momentum=0.8),
    ),
    "adamw": (
        lambda net: torch.optim.AdamW(net.parameters(), lr=0.002, weight_decay=0.0),
        AdamW(learning_rate=0.002, weight_decay=0.0),
    ),
}


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


def train(
    algorithm: Algorithm, optimizer: str, steps: int, rank: int, sleeps: np.random.Generator | None = None
) -> NDArray[np.float64]:
    net = torch_nets.make(seed=5 + rank)  # rank 0's must become everybody's
    if sleeps is not None:
        for module in (net.convolution, net.twice, net.out):
            module.register_forward_pre_hook(lambda *_: time.sleep(sleeps.exponential(0.002)))
            module.register_full_backward_hook(lambda *_: time.sleep(sleeps.exponential(0.002)))
    with DistributedOptimizer(OPTIMIZERS[optimizer][0](net), net, algorithm, check_every=0) as opt:
        for step in range(steps):
            opt.zero_grad()
            torch_nets.loss(net, step, rank).backward()
            opt.step()
    return torch_nets.vector(net)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "algorithm", [*EXACT, *DELAYED, algorithms.StockHorovod(), algorithms.NoCommunication()], ids=repr
)
def test_ranks_reproduce_the_virtual_trajectory(algorithm: Algorithm, optimizer: str, rank: int, ranks: int) -> None:
    virtual = partial(torch_nets.reference, algorithm, OPTIMIZERS[optimizer][1], ranks, steps=50)
    expected = torch_nets.told_by_rank_0(virtual, "expected")[rank]
    trained = train(algorithm, optimizer, 50, rank)
    start = torch_nets.vector(torch_nets.make())
    assert np.abs(trained - start).max() > 0.01, "nothing was learned, so nothing was compared"
    # float64 on both sides: they add in different orders, and that is all
    np.testing.assert_allclose(trained, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("algorithm", EXACT[1:], ids=repr)
def test_exact_algorithms_are_bitwise_synchronous_whoever_sleeps(algorithm: Algorithm, rank: int) -> None:
    sleeps = np.random.default_rng(rank)
    assert np.array_equal(train(algorithm, "sgd", 12, rank, sleeps), train(algorithms.Synchronous(), "sgd", 12, rank))


@pytest.mark.parametrize("algorithm", [*EXACT, *DELAYED], ids=repr)
def test_replicas_stay_equal_bit_for_bit(algorithm: Algorithm, rank: int, ranks: int) -> None:
    mine = torch.from_numpy(train(algorithm, "adamw", 8, rank))
    name = f"replicas.{algorithm!r}"
    everybody = hvd.allgather(mine.reshape(1, -1), name=name)
    assert all(torch.equal(everybody[other], mine) for other in range(ranks))
