"""Batches of unlike size in PyTorch, in half precision."""

from __future__ import annotations

import horovod.torch as hvd
import numpy as np
import pytest
import torch
from torch import nn

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer
from tests.parallel.test_torch_exchange_usage import EXACT

pytestmark = pytest.mark.ranks(2)


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


class Slope(nn.Module):
    """Its gradient is what it is given."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, dtype=dtype))

    def forward(self, slope: float) -> torch.Tensor:
        return (self.weight * slope).sum()


@pytest.mark.parametrize("wire", ["none", "fp16"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("algorithm", [*EXACT, algorithms.Delayed(steps=2)], ids=repr)
def test_weighing_makes_no_gradient_too_large(
    algorithm: Algorithm, dtype: torch.dtype, wire: str, rank: int, ranks: int
) -> None:
    # Samples times gradient, up to 3e7, has no place in half precision, nor has a quarter of it; the mean has.
    net = Slope(dtype)
    slope, counts = 20000.0, [(1500, 700), (1000, 1200), (40, 0), (70, 20)]
    with DistributedOptimizer(
        torch.optim.SGD(net.parameters(), lr=1 / slope), net, algorithm, weighted=True, wire=wire
    ) as opt:
        for count in counts:
            opt.weigh(count[rank])
            opt.zero_grad()
            if count[rank]:
                net(slope * (1 - 0.5 * rank)).backward()
            opt.step()
        opt.finish()
    expected = -sum((first + 0.5 * second) / (first + second) for first, second in counts)
    assert net.weight.detach().double().numpy() == pytest.approx(np.full(3, expected), rel=4e-3)
