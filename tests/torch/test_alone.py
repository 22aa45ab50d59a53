"""One worker: every exchange is the user's optimizer itself, delayed where the algorithm delays."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import horovod.torch as hvd
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer, TrainingError

EXACT = [
    algorithms.NoCommunication(),
    algorithms.StockHorovod(),
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    *(algorithms.LayerWise(order=order) for order in ("all", "backward", "completion", "forward")),
    algorithms.Delayed(steps=0),
]


@pytest.fixture(autouse=True)
def horovod(gloo_alone: None) -> Iterator[None]:
    hvd.init()
    yield
    hvd.shutdown()


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4))


def batch(step: int) -> torch.Tensor:
    return torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(step))


def local(steps: int, delay: int = 0) -> nn.Module:
    """Plain torch; with a delay, gradients wait in a list."""
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    waiting = []
    for step in range(steps):
        optimizer.zero_grad()
        model(batch(step)).square().mean().backward()
        waiting.append([p.grad for p in model.parameters()])
        if len(waiting) > delay:
            apply(model, optimizer, waiting.pop(0))
    for gradients in waiting:
        apply(model, optimizer, gradients)
    return model


def apply(model: nn.Module, optimizer: torch.optim.Optimizer, gradients: list[torch.Tensor | None]) -> None:
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        p.grad = gradient
    optimizer.step()


def trained(algorithm: Algorithm, steps: int) -> nn.Module:
    model = net()
    with DistributedOptimizer(torch.optim.AdamW(model.parameters(), lr=0.01), model, algorithm) as opt:
        for step in range(steps):
            opt.zero_grad()
            model(batch(step)).square().mean().backward()
            opt.step()
    return model


def equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("algorithm", EXACT, ids=repr)
def test_exact_algorithms_are_the_local_optimizer_bit_for_bit(algorithm: Algorithm) -> None:
    assert equal(trained(algorithm, 7), local(7))
    assert not equal(trained(algorithm, 7), local(6))


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_delayed_is_the_local_optimizer_with_old_gradients(delay: int) -> None:
    assert equal(trained(algorithms.Delayed(steps=delay), 7), local(7, delay))


@pytest.mark.parametrize(
    "algorithm", [a for a in EXACT if a.name not in ("no_communication", "stock_horovod")], ids=repr
)
def test_mistakes_of_a_single_worker(algorithm: Algorithm) -> None:
    model = net()
    opt = DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=0.1), model, algorithm)
    with pytest.raises(TrainingError, match="every rank: step\\(\\) without a gradient"):
        opt.step()
    model(batch(0)).mean().backward()
    model(batch(1)).mean().backward()
    with pytest.raises(TrainingError, match="passes=n"):
        opt.step()
    opt.detach()


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_was_in_flight_when_saved_is_applied_where_training_ends_at_once(goes_on: bool) -> None:
    algorithm, saved = algorithms.Delayed(steps=2), {}
    model, again = net(), net()
    with DistributedOptimizer(torch.optim.AdamW(model.parameters(), lr=0.01), model, algorithm) as opt:
        for step in range(5):
            opt.zero_grad()
            model(batch(step)).square().mean().backward()
            opt.step()
        saved = copy.deepcopy({"model": model.state_dict(), "opt": opt.state_dict()})
    with DistributedOptimizer(torch.optim.AdamW(again.parameters(), lr=0.01), again, algorithm) as opt:
        if goes_on:  # from an end, as from the beginning
            opt.finish()
        again.load_state_dict(saved["model"])
        opt.load_state_dict(saved["opt"])
    assert equal(again, model)


def test_horovod_is_initialised_where_the_user_has_not() -> None:
    hvd.shutdown()
    assert not hvd.is_initialized()
    assert equal(trained(algorithms.Synchronous(), 2), local(2))


@pytest.mark.parametrize("algorithm", [a for a in EXACT if a.name != "no_communication"], ids=repr)
def test_the_plain_optimizer_is_the_one_that_trains(algorithm: Algorithm) -> None:
    """Its schedulers, also when a state has been loaded into either; and it goes on, behind, from where training stands."""

    def steps(model: nn.Module, opt: torch.optim.Optimizer, schedule: LRScheduler, of: range) -> None:
        for step in of:
            opt.zero_grad()
            model(batch(step)).square().mean().backward()
            opt.step()
            schedule.step()

    models = [net(), net()]
    plain, inner = (torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9) for model in models)
    schedules = [torch.optim.lr_scheduler.StepLR(one, 2, 0.5) for one in (plain, inner)]
    for model, one, schedule in zip(models, (plain, inner), schedules, strict=True):
        steps(model, one, schedule, range(3))
    steps(models[0], plain, schedules[0], range(3, 14))
    opt = DistributedOptimizer(inner, models[1], algorithm)
    steps(models[1], opt, schedules[1], range(3, 5))
    for number, loads in enumerate((opt, inner)):
        saved = copy.deepcopy(opt.state_dict())
        opt.param_groups[0]["lr"] = 7.0
        loads.load_state_dict(saved)
        steps(models[1], opt, schedules[1], range(5 + 3 * number, 8 + 3 * number))
        assert inner.param_groups[0]["lr"] == opt.param_groups[0]["lr"]
    opt.finish()
    opt.detach()
    assert len(inner.state) == len(list(models[1].parameters()))
    steps(models[1], inner, schedules[1], range(11, 14))
    assert equal(*models)


def test_the_wrapper_is_an_optimizer_and_shows_the_one_within() -> None:
    model = net()
    inner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    calls = []
    with DistributedOptimizer(inner, model, algorithms.Delayed()) as opt:
        assert isinstance(opt, torch.optim.Optimizer)
        assert opt.param_groups is inner.param_groups
        assert opt.state is inner.state
        assert "SGD" in repr(opt)
        assert "Delayed(steps=1" in repr(opt)
        opt.register_step_post_hook(lambda *_: calls.append(1))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=10)
        for step in range(3):
            opt.zero_grad()
            model(batch(step)).mean().backward()
            opt.step()
            schedule.step()
        assert len(calls) == 3
        assert inner.param_groups[0]["lr"] < 0.1
        with pytest.raises(TypeError, match="state_dict"):
            opt.__getstate__()
