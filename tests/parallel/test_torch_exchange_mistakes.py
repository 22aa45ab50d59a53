"""Mistakes, of every rank or of one alone: all ranks are told what to change, at once, and none is left waiting."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import horovod.torch as hvd
import pytest
import torch
from torch import nn

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer, RanksDisagree, TrainingError
from tests.parallel import torch_nets

pytestmark = [pytest.mark.ranks(2)]

DRIVEN = [
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    algorithms.LayerWise(order="completion"),
    algorithms.LayerWise(order="forward"),
    algorithms.Delayed(steps=1),
]


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


def wrapped(algorithm: Algorithm, **options: Any) -> tuple[nn.Module, DistributedOptimizer]:
    net = torch_nets.make()
    return net, DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.01), net, algorithm, **options)


# -- when wrapping


def lacks_a_parameter(net: torch_nets.Net) -> DistributedOptimizer:
    return DistributedOptimizer(torch.optim.SGD(net.out.parameters(), lr=0.1), net, algorithms.Synchronous())


def holds_a_stranger(net: torch_nets.Net) -> DistributedOptimizer:
    stranger = nn.Parameter(torch.zeros(3))
    return DistributedOptimizer(torch.optim.SGD([*net.parameters(), stranger], lr=0.1), net, algorithms.Synchronous())


def wraps_twice(net: torch_nets.Net) -> DistributedOptimizer:
    inner = torch.optim.SGD(net.parameters(), lr=0.1)
    first = DistributedOptimizer(inner, net, algorithms.Synchronous())
    try:
        return DistributedOptimizer(inner, net, algorithms.Synchronous())
    finally:
        first.detach()


def wraps_a_wrapper(net: torch_nets.Net) -> DistributedOptimizer:
    first = DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.1), net, algorithms.Synchronous())
    try:
        return DistributedOptimizer(first, net, algorithms.Synchronous())
    finally:
        first.detach()


def wraps_horovods(net: torch_nets.Net) -> DistributedOptimizer:
    return DistributedOptimizer(
        hvd.DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.1)), net, algorithms.Synchronous()
    )


def only_virtual(net: torch_nets.Net) -> DistributedOptimizer:
    return DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.1), net, algorithms.ADMM())


def searches_lines(net: torch_nets.Net) -> DistributedOptimizer:
    return DistributedOptimizer(torch.optim.LBFGS(net.parameters()), net, algorithms.Synchronous())


def is_sparse(net: torch_nets.Net) -> DistributedOptimizer:
    embedding = nn.Embedding(4, 2, sparse=True)
    return DistributedOptimizer(
        torch.optim.SGD(embedding.parameters(), lr=0.1), embedding, algorithms.Synchronous(overlap=True)
    )


def has_no_shape(net: torch_nets.Net) -> DistributedOptimizer:
    lazy = nn.LazyLinear(3)
    return DistributedOptimizer(torch.optim.SGD(lazy.parameters(), lr=0.1), lazy, algorithms.Synchronous())


def weighs_stock(net: torch_nets.Net) -> DistributedOptimizer:
    return DistributedOptimizer(
        torch.optim.SGD(net.parameters(), lr=0.1), net, algorithms.StockHorovod(), weighted=True
    )


def checks_the_lonely(net: torch_nets.Net) -> DistributedOptimizer:
    return DistributedOptimizer(
        torch.optim.SGD(net.parameters(), lr=0.1), net, algorithms.NoCommunication(), check_every=1
    )


def passes_never(net: torch_nets.Net) -> DistributedOptimizer:
    return DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.1), net, algorithms.Synchronous(), passes=0)


WRAPPING: list[tuple[Callable[[torch_nets.Net], DistributedOptimizer], str]] = [
    (lacks_a_parameter, "does not hold empty, scale, convolution.weight ...: add them to it, freeze them"),
    (holds_a_stranger, "holds 1 parameters that the model does not"),
    (wraps_twice, "detach() that one first"),
    (wraps_a_wrapper, "distributed already: give the plain optimizer"),
    (wraps_horovods, "distributed already: give the plain optimizer"),
    (only_virtual, "admm runs in algorithms.virtual only"),
    (searches_lines, "LBFGS computes the gradient several times"),
    (is_sparse, "wrap with sparse_as_dense=True, or use sparse=False"),
    (has_no_shape, "call the model once before wrapping"),
    (weighs_stock, "stock Horovod averages ranks, not samples"),
    (checks_the_lonely, "check_every=1: no_communication lets parameters differ; use 0"),
    (passes_never, "passes=0: must be a whole number >= 1"),
]


@pytest.mark.parametrize(("mistake", "said"), WRAPPING, ids=lambda value: getattr(value, "__name__", ""))
def test_unfit_arguments_are_refused(mistake: Callable[[torch_nets.Net], DistributedOptimizer], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        mistake(torch_nets.make())
    wrapped(algorithms.Synchronous())[1].detach()  # nothing is left behind


def test_what_one_rank_alone_does_wrong_is_refused_everywhere(rank: int) -> None:
    net = torch_nets.make()
    parameters = net.parameters() if rank else net.out.parameters()
    with pytest.raises(ValueError, match="rank 0: the optimizer does not hold"):
        DistributedOptimizer(torch.optim.SGD(parameters, lr=0.1), net, algorithms.Synchronous())


@pytest.mark.parametrize("what", ["algorithm", "shape", "optimizer"])
def test_ranks_that_train_different_things_are_told_so(what: str, rank: int) -> None:
    net = nn.Linear(3, 2 + (what == "shape" and rank))
    kind = torch.optim.Adam if what == "optimizer" and rank else torch.optim.SGD
    algorithm = algorithms.Delayed(steps=1 + (what == "algorithm" and rank))
    with pytest.raises(TrainingError, match=r"must be the same on every rank.*ranks 0 and \[1\] differ"):
        DistributedOptimizer(kind(net.parameters(), lr=0.1), net, algorithm)


# -- while training


def no_backward(net: nn.Module, opt: DistributedOptimizer, rank: int) -> None:
    opt.step()


def backward_twice(net: nn.Module, opt: DistributedOptimizer, rank: int) -> None:
    torch_nets.loss(net, 1, rank).backward()
    torch_nets.loss(net, 2, rank).backward()
    opt.step()


def unfreezes(net: nn.Module, opt: DistributedOptimizer, rank: int) -> None:
    assert isinstance(net, torch_nets.Net)
    net.frozen.requires_grad_(True)
    torch_nets.loss(net, 1, rank).backward()
    opt.step()


def sound(net: nn.Module, opt: DistributedOptimizer, rank: int) -> None:
    torch_nets.loss(net, 1, rank).backward()
    opt.step()


TRAINING = [
    (no_backward, "call backward() before step()"),
    (backward_twice, "wrap with passes=n"),
    (unfreezes, "freeze and unfreeze it afterwards"),
]


@pytest.mark.parametrize("whose", ["all", "one"])
@pytest.mark.parametrize(
    ("algorithm", "mistake", "said"),
    [
        pytest.param(algorithm, mistake, said, id=f"{algorithm!r}-{mistake.__name__}")
        for algorithm in DRIVEN
        for mistake, said in TRAINING
    ],
)
def test_mistakes_reach_every_rank(
    algorithm: Algorithm,
    mistake: Callable[[nn.Module, DistributedOptimizer, int], None],
    said: str,
    whose: str,
    rank: int,
) -> None:
    net, opt = wrapped(algorithm)
    who = "every rank" if whose == "all" else "rank 1"
    with pytest.raises(TrainingError, match=f"{who}: .*{re.escape(said)}"):
        for _ in range(3):
            opt.zero_grad()
            torch_nets.loss(net, 0, rank).backward()
            opt.step()
        opt.zero_grad()
        (mistake if whose == "all" or rank == 1 else sound)(net, opt, rank)
        opt.finish()
    opt.detach()


def test_optimizers_that_count_in_their_groups_cannot_go_layer_by_layer() -> None:
    class Counting(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            for group in self.param_groups:
                group["calls"] = group.get("calls", 0) + 1
            return super().step(closure)

    net = torch_nets.make()
    opt = DistributedOptimizer(Counting(net.parameters(), lr=0.1), net, algorithms.LayerWise(order="backward"))
    torch_nets.loss(net, 0, 0).backward()
    with pytest.raises(ValueError, match=r"counts in its group \(calls\)"):
        opt.step()
    opt.detach()


def test_a_rank_that_stops_early_is_named_as_such(rank: int) -> None:
    net, opt = wrapped(algorithms.Delayed(steps=1))
    for step in range(2 + rank):
        opt.zero_grad()
        torch_nets.loss(net, step, rank).backward()
        opt.step()
    if rank == 0:
        opt.finish()
    else:
        with pytest.raises(TrainingError, match="1 of 2 ranks called finish"):
            opt.finish()
    opt.detach()


@pytest.mark.parametrize("algorithm", DRIVEN, ids=repr)
def test_a_rank_without_any_step_is_no_end_of_waiting(algorithm: Algorithm, rank: int) -> None:
    net, opt = wrapped(algorithm)
    if rank == 0:
        opt.finish()
    else:
        with pytest.raises(TrainingError, match="1 of 2 ranks called finish"):
            for step in range(2):
                opt.zero_grad()
                torch_nets.loss(net, step, rank).backward()
                opt.step()
            opt.finish()
    opt.detach()


@pytest.mark.parametrize("algorithm", [algorithms.LayerWise(order="forward"), algorithms.StockHorovod()], ids=repr)
def test_parameters_that_drift_apart_are_found(algorithm: Algorithm, rank: int) -> None:
    net, opt = wrapped(algorithm, check_every=2)
    for step in range(4):
        opt.zero_grad()
        torch_nets.loss(net, step, rank).backward()
        if step < 2:
            opt.step()
        elif step == 2:
            opt.step()
            with torch.no_grad():
                net.twice.weight[0, 0] += 1e-3 * rank
        else:
            with pytest.raises(RanksDisagree, match=r"after step 4, twice.weight of rank 1 differs"):
                opt.step()
    opt.detach()


def test_unfit_calls_are_refused(rank: int) -> None:
    net, opt = wrapped(algorithms.Synchronous())
    with pytest.raises(ValueError, match="weighted=True"):
        opt.weigh(3)
    with pytest.raises(ValueError, match="before wrapping"):
        opt.add_param_group({"params": []})
    with pytest.raises(ValueError, match="synchronous has no rounds to record"):
        opt.keep_records()
    opt.detach()
    with pytest.raises(ValueError, match="detached"):
        opt.step()
    net, opt = wrapped(algorithms.Synchronous(), weighted=True)
    with pytest.raises(ValueError, match="samples=-1"):
        opt.weigh(-1)
    torch_nets.loss(net, 0, rank).backward()
    with pytest.raises(TrainingError, match=r"weigh\(samples\) before the backward"):
        opt.step()
    opt.weigh(0)
    with pytest.raises(TrainingError, match="no rank had a sample"):
        opt.step()
    opt.detach()
