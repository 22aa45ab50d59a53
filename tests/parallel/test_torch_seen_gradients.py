"""What a loop sees of gradients and optimizers beside the table of loops, and what a caught error leaves behind."""

from __future__ import annotations

import threading
from collections.abc import Callable

import horovod.torch as hvd
import pytest
import torch
from torch import nn

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer, TrainingError
from tests.parallel import torch_nets

pytestmark = [pytest.mark.ranks(2)]

AVERAGING = [
    algorithms.StockHorovod(),
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    algorithms.LayerWise(order="completion"),
    algorithms.LayerWise(order="forward"),
    algorithms.Delayed(steps=1),
]
OWN = [algorithms.NoCommunication(), algorithms.BackupWorkers(spares=0), algorithms.LocalSGD(period=2)]


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


def wrapped(algorithm: Algorithm, rank: int = 0) -> tuple[nn.Linear, DistributedOptimizer]:
    net = nn.Linear(300, 200)
    return net, DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.0), net, algorithm)


def backward(net: nn.Linear, rank: int) -> None:
    """Every gradient is 1 on the first rank and 3 on the second."""
    (net.weight.sum() + net.bias.sum()).mul(1.0 + 2 * rank).backward()


@pytest.mark.parametrize("algorithm", [*AVERAGING, *OWN], ids=repr)
def test_gradients_before_and_behind_a_step(algorithm: Algorithm, rank: int) -> None:
    net, opt = wrapped(algorithm)
    own = 1.0 + 2 * rank
    before = own if algorithm in OWN else 2.0
    for step in range(3):
        opt.zero_grad()
        backward(net, rank)
        if step:
            assert net.weight.grad is not None
            assert net.weight.grad.unique().tolist() == [before]
        opt.step()
        if algorithm == algorithms.LayerWise(order="forward") or (algorithm == algorithms.Delayed() and not step):
            assert net.weight.grad is None
        else:
            assert net.weight.grad is not None
            assert net.weight.grad.unique().tolist() == [before]
    opt.finish()
    opt.detach()


class Modes(torch.optim.SGD):
    mode = "none"

    def train(self) -> None:
        self.mode = "train"

    def eval(self) -> None:
        self.mode = "eval"


@pytest.mark.parametrize("algorithm", [*AVERAGING, algorithms.NoCommunication()], ids=repr)
def test_modes_are_the_wrapped_optimizers(algorithm: Algorithm, rank: int) -> None:
    net = nn.Linear(3, 2)
    with DistributedOptimizer(Modes(net.parameters(), lr=0.1), net, algorithm) as opt:
        for switch, mode in ((opt.train, "train"), (opt.eval, "eval")):
            switch()
            assert opt._driver.optimizer.mode == mode  # type: ignore[attr-defined]
    _, opt = wrapped(algorithm)
    opt.train()  # nothing to forward to
    opt.detach()


def test_modes_and_rounds_do_not_go_together() -> None:
    net = nn.Linear(3, 2)
    opt = DistributedOptimizer(Modes(net.parameters(), lr=0.1), net, algorithms.LocalSGD())
    with pytest.raises(ValueError, match="moves parameters in train"):
        opt.eval()
    opt.detach()


def test_each_parameter_has_one_optimizer() -> None:
    net = nn.Linear(3, 2)
    weight, both = torch.optim.SGD([net.weight], lr=0.1), torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="others hold 1 parameters that the optimizer holds, too"):
        DistributedOptimizer(both, net, algorithms.Synchronous(), others=[weight])


def no_backward(net: nn.Linear, opt: DistributedOptimizer, rank: int) -> None:
    opt.step()


def twice(net: nn.Linear, opt: DistributedOptimizer, rank: int) -> None:
    backward(net, rank)
    backward(net, rank)
    opt.step()


def twice_on_one(net: nn.Linear, opt: DistributedOptimizer, rank: int) -> None:
    backward(net, rank)
    if rank:
        backward(net, rank)
    opt.step()


@pytest.mark.parametrize("mistake", [no_backward, twice, twice_on_one])
@pytest.mark.parametrize("algorithm", AVERAGING[1:], ids=repr)
def test_a_caught_error_leaves_nothing_behind(
    algorithm: Algorithm, mistake: Callable[[nn.Linear, DistributedOptimizer, int], None], rank: int
) -> None:
    net, opt = wrapped(algorithm)
    with pytest.raises(TrainingError):
        for _ in range(2):
            opt.zero_grad()
            mistake(net, opt, rank)
    opt.detach()
    again = DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.0), net, algorithm)
    for _ in range(3):
        again.zero_grad()
        backward(net, rank)
        assert net.bias.grad is not None
        assert net.bias.grad.unique().tolist() == [2.0]
        again.step()
    again.finish()
    again.detach()
    for thread in threading.enumerate():
        if thread.name.endswith("courier"):
            thread.join(10)
            assert not thread.is_alive(), "still waits for an exchange of the dead optimizer"


@pytest.mark.parametrize("algorithm", AVERAGING, ids=repr)
def test_detached_in_the_middle_of_a_step(algorithm: Algorithm, rank: int) -> None:
    net, opt = wrapped(algorithm)
    backward(net, rank)
    opt.detach()
    net.zero_grad()
    backward(net, rank)
    assert net.bias.grad is not None
    assert net.bias.grad.unique().tolist() == [1.0 + 2 * rank], "its own again"
    net.zero_grad()
    again = DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.0), net, algorithms.Synchronous(overlap=True))
    backward(net, rank)
    assert net.bias.grad.unique().tolist() == [2.0]
    again.step()
    again.finish()
    again.detach()


def test_a_rank_that_detaches_is_named_to_one_in_a_step(rank: int) -> None:
    net, opt = wrapped(algorithms.Synchronous(overlap=True))
    for _ in range(2):
        opt.zero_grad()
        backward(net, rank)
        opt.step()
    if rank == 0:
        opt.detach()
    else:
        backward(net, rank)
        with pytest.raises(TrainingError, match=r"rank 0: detached its optimizer, without finish\(\)"):
            opt.step()
        opt.detach()


@pytest.mark.parametrize("first", AVERAGING, ids=repr)
def test_one_optimizer_finishes_while_another_is_under_way(first: Algorithm, rank: int) -> None:
    nets = [torch_nets.make() for _ in range(2)]
    for net in nets:
        net.unused.requires_grad_(False)  # stock Horovod would make gradients of zero for it
    opts = [
        DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.1), net, algorithm)
        for net, algorithm in zip(nets, (first, algorithms.LayerWise()), strict=True)
    ]
    for step in range(5):
        for net, opt in zip(nets, opts, strict=True):
            opt.zero_grad()
            torch_nets.loss(net, step, rank).backward()
            opt.step()
    for opt in opts:
        opt.finish()
        opt.detach()
    if not isinstance(first, algorithms.Delayed):
        assert torch.allclose(*(torch.from_numpy(torch_nets.vector(net)) for net in nets), rtol=0, atol=1e-12)
