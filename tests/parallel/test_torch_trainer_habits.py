"""What trainers do between backward and `step()`: clip, look, throw passes away; and sparse gradients, on two ranks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import horovod.torch as hvd
import numpy as np
import pytest
import torch
from torch import nn

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer
from algorithms.torch.exchange.onlookers import LookedAt
from tests.parallel import torch_nets

pytestmark = pytest.mark.ranks(2)

EXACT = [
    algorithms.StockHorovod(),
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    algorithms.LayerWise(order="completion"),
    algorithms.LayerWise(),
    algorithms.Delayed(steps=0),
]
each_exact = pytest.mark.parametrize("algorithm", EXACT, ids=repr)
NORM = 0.05


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


def net() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def momentum(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def loss(model: nn.Module, step: int, samples: slice = slice(0, 8)) -> torch.Tensor:
    draw = torch.Generator().manual_seed(step)
    x = torch.randn(8, 6, generator=draw, dtype=torch.float64)[samples]
    return nn.functional.mse_loss(model(x), x[:, :3].sin())


def share(rank: int) -> slice:
    return slice(4 * rank, 4 * rank + 4)


def close(model: nn.Module, reference: nn.Module) -> None:
    np.testing.assert_allclose(torch_nets.vector(model), torch_nets.vector(reference), rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_delayed_average_is_clipped_when_it_has_landed(steps: int, rank: int) -> None:
    reference = net()
    inner = momentum(reference)
    flying: list[list[torch.Tensor | None]] = []

    def apply_oldest() -> None:
        for p, gradient in zip(reference.parameters(), flying.pop(0), strict=True):
            p.grad = gradient
        nn.utils.clip_grad_norm_(reference.parameters(), NORM)
        inner.step()

    for step in range(6):
        inner.zero_grad()
        loss(reference, step).backward()
        flying.append([p.grad for p in reference.parameters()])
        if len(flying) > steps:
            apply_oldest()
    while flying:
        apply_oldest()
    model = net()
    with DistributedOptimizer(momentum(model), model, algorithms.Delayed(steps=steps), clip_norm=NORM) as opt:
        for step in range(6):
            opt.zero_grad()
            loss(model, step, share(rank)).backward()
            opt.step()
    close(model, reference)


@pytest.mark.parametrize("algorithm", [algorithms.Delayed(steps=1), algorithms.LayerWise()], ids=repr)
def test_whoever_looks_where_a_step_need_not_wait_is_told_once(algorithm: Algorithm, rank: int) -> None:
    model = net()
    with DistributedOptimizer(momentum(model), model, algorithm) as opt:
        for step in range(3):
            opt.zero_grad()
            loss(model, step).backward()
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", LookedAt)
                nn.utils.clip_grad_norm_(model.parameters(), NORM)
            assert len(said) == (step == 0)
            if said:
                assert "clip_norm=..." in str(said[0].message) and Path(__file__).name in str(said[0].message)
            opt.step()


@pytest.mark.parametrize("seldom", [False, True])
def test_whoever_reads_parameters_behind_every_step_is_told_once(seldom: bool, rank: int) -> None:
    model = net()
    with DistributedOptimizer(momentum(model), model, algorithms.LayerWise()) as opt:
        for step in range(9):
            opt.zero_grad()
            loss(model, step).backward()
            opt.step()
            opt.telemetry()
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", LookedAt)
                if step % 2 or not seldom:
                    next(model.parameters()).sum()
            assert len(said) == (step == 2 and not seldom)
            if said:
                assert "between step() and the next forward" in str(said[0].message)
                assert Path(__file__).name in str(said[0].message)


@each_exact
def test_passes_thrown_away_before_a_step_are_forgotten(algorithm: Algorithm, rank: int) -> None:
    """As those that reach the judge of a GAN through its maker's loss."""
    reference = net()
    inner = momentum(reference)
    model = net()
    with DistributedOptimizer(momentum(model), model, algorithm, passes=2) as opt:
        for step in range(3):
            loss(model, step + 7, share(rank)).backward()
            for optimizer, trained, part in ((opt, model, share(rank)), (inner, reference, slice(0, 8))):
                optimizer.zero_grad()
                loss(trained, step, part).backward()
                loss(trained, step + 3, part).backward()
                optimizer.step()
    close(model, reference)


@each_exact
def test_sparse_gradients_travel_dense_where_that_is_asked_for(algorithm: Algorithm, rank: int) -> None:
    words = torch.arange(24).view(4, 6) % 7

    def trained(make: Callable[[nn.Module], torch.optim.Optimizer], part: slice, passes: int) -> nn.Module:
        torch.manual_seed(4)
        model = nn.Sequential(nn.Embedding(7, 3, sparse=True), nn.Flatten(), nn.Linear(18, 2)).double()
        opt = make(model)
        for _ in range(4):
            opt.zero_grad()
            for _ in range(passes):
                model(words[part]).square().mean().backward()
            opt.step()
        return model

    def wrapped(model: nn.Module) -> DistributedOptimizer:
        inner = torch.optim.SGD(model.parameters(), lr=0.1)
        return DistributedOptimizer(inner, model, algorithm, sparse_as_dense=True, passes=2)

    alone = trained(lambda model: torch.optim.SGD(model.parameters(), lr=0.1), slice(0, 4), 2)
    close(trained(wrapped, slice(2 * rank, 2 * rank + 2), 2), alone)
