"""Beginning, saving, going on and ending: with gradients in flight, and when ranks end otherwise than planned."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from pathlib import Path

import horovod.torch as hvd
import numpy as np
import psutil
import pytest
import torch
from horovod.common.exceptions import HorovodInternalError
from horovod.torch import mpi_ops
from numpy.typing import NDArray
from torch import nn

import algorithms
from algorithms.contract import Algorithm
from algorithms.torch import DistributedOptimizer, RankStopped, collectives
from tests.parallel import torch_nets

pytestmark = [pytest.mark.ranks(2, environment={"HOROVOD_FUSION_THRESHOLD": "0"})]

TRAVELLING = [
    algorithms.Synchronous(),
    algorithms.LayerWise(order="completion"),
    algorithms.LayerWise(order="forward"),
    algorithms.Delayed(steps=1),
    algorithms.Delayed(steps=3, compensation=0.5),
]
each = pytest.mark.parametrize("algorithm", [*TRAVELLING, algorithms.StockHorovod()], ids=repr)


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


def wrap(net: nn.Module, algorithm: Algorithm) -> DistributedOptimizer:
    return DistributedOptimizer(torch.optim.AdamW(net.parameters(), lr=0.01), net, algorithm)


def train(net: nn.Module, opt: DistributedOptimizer, steps: range, rank: int) -> None:
    for step in steps:
        opt.zero_grad()
        torch_nets.loss(net, step, rank).backward()
        opt.step()


@each
def test_a_saved_run_goes_on_identically(algorithm: Algorithm, rank: int, shared_path: Path) -> None:
    net = torch_nets.make()
    opt = wrap(net, algorithm)
    train(net, opt, range(6), rank)
    if rank == 0:  # alone, while its gradients are in flight
        torch.save({"net": net.state_dict(), "opt": opt.state_dict()}, shared_path / "saved.pt")
    train(net, opt, range(6, 12), rank)
    opt.finish()
    opt.detach()
    expected = torch_nets.vector(net)

    again = torch_nets.make(seed=99)
    opt = wrap(again, algorithm)
    train(again, opt, range(2), rank)  # what is in flight is to be forgotten
    saved = torch.load(shared_path / "saved.pt", weights_only=True)
    again.load_state_dict(saved["net"])
    opt.load_state_dict(saved["opt"])
    train(again, opt, range(6, 12), rank)
    opt.finish()
    opt.detach()
    assert np.array_equal(torch_nets.vector(again), expected)


def test_states_of_plain_optimizers_and_of_other_algorithms(rank: int) -> None:
    net = torch_nets.make()
    plain = torch.optim.AdamW(net.parameters(), lr=0.5)
    opt = wrap(net, algorithms.Delayed(steps=1))
    opt.load_state_dict(plain.state_dict())
    assert opt.param_groups[0]["lr"] == 0.5
    saved = opt.state_dict()
    plain.load_state_dict(saved)  # and the other way round
    opt.detach()
    opt = wrap(net, algorithms.Delayed(steps=2))
    with pytest.raises(ValueError, match="'steps': 1"):
        opt.load_state_dict(saved)
    opt.detach()


@each
def test_finishing_twice_and_going_on(algorithm: Algorithm, rank: int) -> None:
    net = torch_nets.make()
    opt = wrap(net, algorithm)
    opt.finish()
    train(net, opt, range(5), rank)
    opt.finish()
    once = torch_nets.vector(net)
    opt.finish()
    assert np.array_equal(torch_nets.vector(net), once)
    train(net, opt, range(5, 8), rank)
    opt.finish()
    assert opt.telemetry().rounds == 8
    assert not np.array_equal(torch_nets.vector(net), once)
    opt.detach()


@pytest.mark.parametrize("algorithm", TRAVELLING, ids=repr)
def test_a_backward_without_its_step_is_dropped(algorithm: Algorithm, rank: int) -> None:
    def trained(begin_another: bool) -> NDArray[np.float64]:
        net = torch_nets.make()
        opt = wrap(net, algorithm)
        for steps in (range(4), range(4, 8)):
            train(net, opt, steps, rank)
            if begin_another:
                torch_nets.loss(net, 77, rank).backward()
            opt.finish()
            net.zero_grad()
        opt.detach()
        return torch_nets.vector(net)

    assert np.array_equal(trained(True), trained(False))


@each
def test_detaching_gives_everything_back(algorithm: Algorithm, rank: int) -> None:
    net = torch_nets.make()
    inner = torch.optim.SGD(net.parameters(), lr=0.1)
    opt = DistributedOptimizer(inner, net, algorithm)
    train(net, opt, range(2), rank)
    opt.finish()
    opt.detach()
    opt.detach()
    del opt
    gc.collect()
    before = torch_nets.vector(net)
    assert all(type(p) is nn.Parameter for p in net.parameters())
    assert not any(module._forward_pre_hooks for module in net.modules())
    net.zero_grad()
    torch_nets.loss(net, 0, rank).backward()
    gradient = torch.cat([torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in net.parameters()])
    inner.step()
    assert not np.array_equal(torch_nets.vector(net), before)
    assert not torch.equal(gradient, hvd.allreduce(gradient, name=f"own.{algorithm!r}")), "still averaged"
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("courier")]


def test_an_optimizer_that_is_dropped_lets_go_of_its_parameters() -> None:
    net = torch_nets.make()
    inner = torch.optim.SGD(net.parameters(), lr=0.1)
    opt = DistributedOptimizer(inner, net, algorithms.LayerWise(order="forward"))
    opt.zero_grad()
    del opt
    gc.collect()
    DistributedOptimizer(inner, net, algorithms.Delayed()).detach()


@pytest.mark.timeout(300)  # seconds of a busy machine
@pytest.mark.parametrize("compensation", [0.0, 0.1])
def test_a_thousand_delayed_steps_leak_nothing(compensation: float, rank: int) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(300, 300), nn.Tanh(), nn.Linear(300, 10))
    size = sum(p.numel() * p.element_size() for p in net.parameters())
    algorithm = algorithms.Delayed(steps=3, compensation=compensation)
    opt = DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9), net, algorithm)
    x = torch.randn(4, 300)

    def tensors() -> int:
        gc.collect()
        return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())

    resident, counted = [], []
    for step in range(1000):
        opt.zero_grad()
        net(x).square().mean().backward()
        opt.step()
        if step % 100 == 99:
            resident.append(psutil.Process().memory_info().rss)
            counted.append(tensors())
            assert opt.telemetry().memory_bytes == algorithm.memory() * size
    assert max(counted[5:]) - min(counted[:5]) < 30, "more than the pieces that happen to be in flight"
    # 1000 gradients are 375 MB
    assert resident[-1] - resident[2] < 10e6
    opt.finish()
    assert opt.telemetry().memory_bytes == 0
    assert opt.telemetry().staleness == {3: 1000}
    assert not mpi_ops._handle_map
    opt.detach()


@each
def test_telemetry_counts(algorithm: Algorithm, rank: int, ranks: int) -> None:
    net = torch_nets.make()
    opt = wrap(net, algorithm)
    train(net, opt, range(5), rank)
    opt.finish()
    telemetry = opt.telemetry()
    opt.detach()
    parameters = sum(p.numel() * p.element_size() for p in net.parameters() if p.requires_grad)
    header = 0 if algorithm.name == "stock_horovod" else 8 * (2 * ranks + 2 + len([*filter(_trains, net.parameters())]))
    assert telemetry.steps == telemetry.rounds == telemetry.used == 5
    assert telemetry.bytes_sent == 5 * (parameters + header)
    assert telemetry.exposed_seconds > 0
    assert telemetry.dropped == 0
    assert telemetry.memory_declared == algorithm.memory()


def _trains(parameter: nn.Parameter) -> bool:
    return parameter.requires_grad


@pytest.mark.ends_ranks  # Horovod's rendezvous may hand out addresses of the session before to whoever begins another one
@each
def test_a_rank_that_raises_does_not_leave_the_other_waiting(algorithm: Algorithm, rank: int) -> None:
    net = torch_nets.make()
    # The control's hooks are Horovod's own: within backward they raise what Horovod raises.
    stopped = (RankStopped, HorovodInternalError) if isinstance(algorithm, algorithms.StockHorovod) else RankStopped
    with pytest.raises(ZeroDivisionError if rank else stopped), wrap(net, algorithm) as opt:
        for step in range(10):
            opt.zero_grad()
            torch_nets.loss(net, step, rank).backward()
            if rank and step == 5:
                raise ZeroDivisionError
            opt.step()
        opt.finish()


@pytest.mark.ends_ranks
def test_what_horovod_lost_when_another_rank_left_is_not_waited_for(
    rank: int, ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = collectives.submit(torch.ones(1), f"of rank {rank} alone", hvd.Sum, hvd.global_process_set)
    assert not collectives.arrived(handle)
    collectives.total(torch.zeros(1), "everybody has submitted", hvd.global_process_set)
    if rank == ranks - 1:
        collectives.leave()
    # Horovod answers for what is in its queue. What came into the queue after that nobody answers for.
    monkeypatch.setattr(hvd, "poll", lambda _: False)
    with pytest.raises(RankStopped, match="has been shut down"):
        collectives.wait(handle)


@pytest.mark.ends_ranks
def test_who_submits_while_another_rank_leaves_hears_of_it(rank: int, ranks: int) -> None:
    """Horovod's thread and this one would wait for each other for ever, if Python alone referred to what travels."""
    if rank == ranks - 1:
        time.sleep(1)
        collectives.leave()
        return
    with pytest.raises(HorovodInternalError):
        for number in itertools.count():
            collectives.submit(torch.ones(64)[3:40], f"alone.{number}", hvd.Sum, hvd.global_process_set)
            time.sleep(2e-5)
    for too_late in (collectives.total, collectives.mean, collectives.broadcast, collectives.answer):
        with pytest.raises(RankStopped, match="another rank has stopped"):
            too_late(torch.ones(1), "too late", hvd.global_process_set)
