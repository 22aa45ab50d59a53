"""A layer that is frozen or unfrozen while training goes on: the route is planned again, by all ranks together."""

from __future__ import annotations

import time

import horovod.torch as hvd
import pytest
import torch
from torch import nn

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer

pytestmark = pytest.mark.ranks(2)


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


@pytest.mark.parametrize("freezes", [False, True])
@pytest.mark.parametrize(
    "algorithm",
    [algorithms.Synchronous(overlap=True), algorithms.LayerWise(), algorithms.Delayed(steps=1)],
    ids=repr,
)
def test_a_layer_leaves_first_if_and_only_if_it_trains(algorithm: Algorithm, freezes: bool, rank: int) -> None:
    """Backward is through with the last layer first; as long as it is frozen nobody knows, and nobody may wait for it."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
    next(iter(net.parameters())).register_hook(lambda gradient: time.sleep(0.02))
    last = {4, 5}

    def train(opt: DistributedOptimizer, steps: range) -> None:
        for step in steps:
            net[4].requires_grad_((step >= 6) != freezes)
            opt.zero_grad()
            draw = torch.Generator().manual_seed(100 * step + rank)
            net(torch.randn(4, 6, generator=draw)).square().mean().backward()
            opt.step()

    with DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), net, algorithm) as opt:
        gate = opt._driver._gate  # type: ignore[attr-defined]
        train(opt, range(6))
        before = gate._route
        train(opt, range(6, 24))
        first = [{piece.tensor for piece in route.bundles[0]} for route in (before, gate._route)]
        assert [bool(tensors & last) for tensors in first] == [freezes, not freezes]
        opt.finish()
        opt.check_agreement()
