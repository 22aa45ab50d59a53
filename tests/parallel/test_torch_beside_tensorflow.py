"""PyTorch on the problem that TensorFlow solves: both must run the trajectory of the virtual driver."""

from __future__ import annotations

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer
from tests.parallel.shared_problem import (
    BETAS,
    DECAY,
    EPSILON,
    LAYERS,
    MEETING,
    RATE,
    SHAPES,
    STEPS,
    close,
    oracle,
    start,
)

pytestmark = pytest.mark.ranks(2)


class Problem(torch.nn.Module):
    """A loss with exactly the gradients of the shared problem."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        pieces = np.split(start() + shift, np.cumsum(LAYERS)[:-1])
        held = [torch.from_numpy(piece.reshape(shape)) for piece, shape in zip(pieces, SHAPES, strict=True)]
        self.held = torch.nn.ParameterList([torch.nn.Parameter(piece) for piece in held])

    def flat(self) -> torch.Tensor:
        return torch.cat([piece.reshape(-1) for piece in self.held])

    def forward(self, worker: int, step: int) -> torch.Tensor:
        x = self.flat().detach()
        wave = torch.sin(torch.tensor(0.7 * step + worker, dtype=torch.float64))
        g = torch.cos(x * (1 + worker)) + 0.5 * x - wave + 0.1 * torch.tanh(x.mean())
        return (self.flat() * g).sum()


def inner(name: str, model: Problem) -> torch.optim.Optimizer:
    if name == "momentum":
        return torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5)
    return torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, betas=BETAS, eps=EPSILON)


EXCHANGES = [
    algorithms.NoCommunication(),
    algorithms.StockHorovod(),
    algorithms.Synchronous(),
    algorithms.LayerWise(),
    algorithms.Delayed(steps=2, compensation=0.5),
]
CASES = [*((algorithm, name) for algorithm in EXCHANGES for name in ("momentum", "adamw")), *MEETING]


@pytest.mark.parametrize(("algorithm", "optimizer"), CASES, ids=str)
def test_the_same_trajectory(algorithm: Algorithm, optimizer: str, rank: int, ranks: int) -> None:
    hvd.init()
    model = Problem(shift=rank)
    with DistributedOptimizer(inner(optimizer, model), model, algorithm) as wrapped:
        for step in range(STEPS):
            wrapped.zero_grad()
            model(rank, step).backward()
            wrapped.step()
    expected = oracle(algorithm, optimizer, ranks).workers[rank]
    close(model.flat().detach().numpy(), expected)
