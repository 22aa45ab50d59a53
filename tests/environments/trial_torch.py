"""What two ranks do in an environment with PyTorch alone: train with one algorithm of each kind."""

import horovod.torch as hvd
import torch

import algorithms
from algorithms.torch import DistributedOptimizer

STEPS, BATCH = 12, 8


def net() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2)).double()


def batch(rank: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(100 * step + rank)
    x = torch.randn(BATCH, 6, generator=generator, dtype=torch.float64)
    return x, x[:, :2].sin()


def serial(size: int) -> torch.Tensor:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    for step in range(STEPS):
        x, y = (torch.cat(parts) for parts in zip(*(batch(rank, step) for rank in range(size)), strict=True))
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach()


def trained(algorithm: algorithms.Algorithm) -> torch.Tensor:
    model = net()
    optimizer = DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5), model, algorithm)
    for step in range(STEPS):
        x, y = batch(hvd.rank(), step)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    optimizer.finish()
    with optimizer.evaluation():
        return torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()


hvd.init()
for algorithm in (algorithms.Synchronous(), algorithms.LayerWise()):
    assert torch.allclose(trained(algorithm), serial(hvd.size()), rtol=0, atol=1e-12), algorithm
for algorithm in (algorithms.Delayed(steps=1), algorithms.LocalSGD(period=2), algorithms.ElasticAveraging(period=2)):
    mine = trained(algorithm)
    assert torch.equal(hvd.broadcast(mine, 0, name=f"rank 0's {algorithm}"), mine), algorithm
    assert torch.linalg.norm(mine - serial(1)) < 1.0, algorithm
