"""Formats of the wire on real ranks: they run the virtual trajectory, send what they declare, and are refused by all."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Algorithm, Rounds
from algorithms.torch import DistributedOptimizer, TrainingError
from algorithms.torch.arrays import shape_of
from algorithms.torch.exchange.header import length
from algorithms.virtual import SGD
from algorithms.virtual.replay import recording
from algorithms.wire import named
from tests.parallel import torch_nets
from tests.parallel.torch_rounds_runs import Run, agree, cluster

# Fusion depends on timing and decides in which order a sum is taken.
pytestmark = pytest.mark.ranks(2, 4, environment={"HOROVOD_FUSION_THRESHOLD": "0"})

FORMATS = ["fp16", "int16", "powersgd:rank=2"]
EXCHANGES = [
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    *(algorithms.LayerWise(order=order) for order in ("all", "backward", "completion", "forward")),
    algorithms.Delayed(steps=1),
    algorithms.Delayed(steps=2, compensation=0.5),
]
MEETING = [
    algorithms.BackupWorkers(spares=0),
    algorithms.ElasticAveraging(period=3),
    algorithms.ElasticAveraging(period=4, momentum=0.6, overlap=3),
    algorithms.LocalSGD(period=4),
    algorithms.DiLoCo(period=4, overlap=3),
]
ARRIVING = [
    algorithms.BackupWorkers(spares=1),
    algorithms.SoftSync(gradients=2),
    algorithms.Asynchronous(),
    algorithms.Downpour(period=2, server_momentum=0.5),
    algorithms.ElasticAveraging(period=2, asynchronous=True, momentum=0.5),
]


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


def sgd(net: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.8)


def tolerance(wire: str, ranks: int, algorithm: Algorithm | None = None) -> float:
    """Of parameters of about one.

    float64 on both sides. Two ranks add in one order; on four a ring may take another than the virtual cluster, and then
    fp16 rounds otherwise; an outer optimizer of momentum 0.9 adds up what five rounds have rounded so, up to ten times.
    Whole numbers have no order. PowerSGD divides by lengths of columns, which may be short.
    """
    if wire == "fp16" and ranks > 2:
        return 2e-2 if isinstance(algorithm, algorithms.DiLoCo | algorithms.SlowMo) else 2e-3
    return 1e-6 if wire.startswith("powersgd") else 1e-9


def carries(algorithm: Algorithm, wire: str) -> bool:
    return not (named(wire).of_changes_only and isinstance(algorithm, Rounds) and algorithm.offers_parameters)


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("algorithm", EXCHANGES, ids=repr)
def test_exchanges_reproduce_the_virtual_trajectory(algorithm: Algorithm, wire: str, rank: int, ranks: int) -> None:
    steps = 12
    expected = torch_nets.reference(algorithm, SGD(learning_rate=0.02, momentum=0.8), ranks, steps, wire)[rank]
    net = torch_nets.make(seed=5 + rank)
    with DistributedOptimizer(sgd(net), net, algorithm, wire=wire) as opt:
        for step in range(steps):
            opt.zero_grad()
            torch_nets.loss(net, step, rank).backward()
            opt.step()
        opt.finish()
        opt.check_agreement()
        told = opt.telemetry()
    plain = torch_nets.reference(algorithm, SGD(learning_rate=0.02, momentum=0.8), ranks, steps)[rank]
    assert np.abs(plain - expected).max() > 2e-8, "the format changed nothing, so nothing was compared"
    np.testing.assert_allclose(torch_nets.vector(net), expected, rtol=0, atol=tolerance(wire, ranks))
    form, trained = named(wire), [p for p in net.parameters() if p.requires_grad]
    header = 8 * length(ranks, len(trained))
    assert told.bytes_sent == steps * (sum(form.bytes(shape_of(p), 8) for p in trained) + header)
    assert told.memory_declared == algorithm.memory() + form.memory()


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("algorithm", MEETING, ids=repr)
def test_meetings_reproduce_the_virtual_trajectory(algorithm: Rounds, wire: str, rank: int, ranks: int) -> None:
    if not carries(algorithm, wire):
        return
    expected = cluster(algorithm, "momentum", ranks, wire).run(steps=20, record=0)
    run = Run(algorithm, "momentum", 20, rank, wire=wire)
    np.testing.assert_allclose(run.own, expected.workers[rank], rtol=0, atol=tolerance(wire, ranks, algorithm))
    trained = [p for p in torch_nets.make().parameters() if p.requires_grad]
    assert run.telemetry.bytes_sent == run.telemetry.rounds * sum(named(wire).bytes(shape_of(p), 8) for p in trained)


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("algorithm", ARRIVING, ids=repr)
def test_arrivals_replay_in_the_virtual_driver(algorithm: Rounds, wire: str, rank: int, ranks: int) -> None:
    run = Run(algorithm, "momentum", 15, rank, pause=0.002, wire=wire)
    replayed = cluster(algorithm, "momentum", ranks, wire).run(
        steps=0, record=0, replay=recording(algorithm, run.records, ranks)
    )
    np.testing.assert_allclose(run.evaluated, replayed.averages[-1], rtol=0, atol=tolerance(wire, ranks))
    assert agree(run.evaluated, f"wire.{wire}.{algorithm!r}")


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize(
    "algorithm", [algorithms.LayerWise(), algorithms.Delayed(steps=2), algorithms.ElasticAveraging(period=2)], ids=repr
)
def test_a_saved_state_goes_on_identically(algorithm: Algorithm, wire: str, rank: int) -> None:
    def steps(opt: DistributedOptimizer, net: torch.nn.Module, of: range) -> None:
        for step in of:
            opt.zero_grad()
            torch_nets.loss(net, step, rank).backward()
            opt.step()

    whole, first, second = (torch_nets.make() for _ in range(3))
    with DistributedOptimizer(sgd(whole), whole, algorithm, wire=wire) as opt:
        steps(opt, whole, range(10))
    with DistributedOptimizer(sgd(first), first, algorithm, wire=wire) as opt:
        steps(opt, first, range(5))
        saved, model = deepcopy((opt.state_dict(), first.state_dict()))  # what follows goes on with the same tensors
    with DistributedOptimizer(sgd(second), second, algorithm, wire=wire) as opt:
        second.load_state_dict(model)
        opt.load_state_dict(saved)
        steps(opt, second, range(5, 10))
    assert np.array_equal(torch_nets.vector(second), torch_nets.vector(whole))


class Sometimes(torch.nn.Module):
    """Two matrices that every rank wants elsewhere; the second is not always used."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.always, self.sometimes = (torch.nn.Parameter(torch.randn(12, 10, dtype=torch.float64)) for _ in range(2))

    def loss(self, step: int, rank: int, *, used: bool = True) -> torch.Tensor:
        draw = torch.Generator().manual_seed(100 * step + rank)
        wanted = [torch.randn(12, 10, generator=draw, dtype=torch.float64) for _ in range(2)]
        parts = (self.always, self.sometimes) if used else (self.always,)
        return torch.stack([((p - w) ** 2).sum() for p, w in zip(parts, wanted, strict=False)]).sum()


def left_behind(opt: DistributedOptimizer) -> dict[str, torch.Tensor]:
    kept: dict[str, torch.Tensor] = opt.state_dict()["farandole"]["driver"]["wire"]["residuals"]
    return kept


LEAVING = pytest.mark.parametrize("wire", ["int16", "powersgd:rank=1"])
EVERY_WAY = pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.Synchronous(),
        algorithms.Synchronous(overlap=True),
        algorithms.LayerWise(),
        algorithms.LayerWise(order="completion"),
        algorithms.Delayed(steps=2),
    ],
    ids=repr,
)


@LEAVING
@EVERY_WAY
def test_what_was_left_of_a_layer_waits_for_its_next_use(algorithm: Algorithm, wire: str, rank: int) -> None:
    net = Sometimes()
    with DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.02), net, algorithm, wire=wire) as opt:
        for step in range(9):
            opt.zero_grad()
            net.loss(step, rank, used=step < 4).backward()
            opt.step()
            if step == 3:
                before = left_behind(opt)["sometimes:0"]
        assert before.abs().max() > 1e-6
        torch.testing.assert_close(left_behind(opt)["sometimes:0"], before, rtol=0, atol=1e-9)
        opt.finish()
        torch.testing.assert_close(left_behind(opt)["sometimes:0"], before, rtol=0, atol=1e-9)


@LEAVING
@EVERY_WAY
def test_of_averages_that_are_thrown_away_nothing_is_left_behind(algorithm: Algorithm, wire: str, rank: int) -> None:
    """As in games of two nets, where a loss makes gradients of a net that another one trains, and when training ends."""
    trained = []
    for throws in (True, False):
        net = Sometimes()
        with DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.02), net, algorithm, wire=wire) as opt:
            for step in range(7):
                opt.zero_grad()
                net.loss(step, rank).backward()
                opt.step()
                if throws and step in (1, 2, 4):
                    before = left_behind(opt)
                    (100 * net.loss(50 + step, rank)).backward()
                    opt.finish() if step == 4 else opt.zero_grad()
                    torch.testing.assert_close(left_behind(opt), before, rtol=0, atol=1e-9)
                elif step == 4:
                    opt.finish()
        trained.append(torch_nets.vector(net))
    if wire == "int16":  # the main directions of what was thrown away are remembered
        np.testing.assert_allclose(*trained, rtol=0, atol=1e-9)


@LEAVING
def test_steps_that_a_scaler_skips_leave_nothing_behind(wire: str, rank: int) -> None:
    net = Sometimes()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**4)
    opt = DistributedOptimizer(torch.optim.SGD(net.parameters(), lr=0.02), net, algorithms.LayerWise(), wire=wire)
    for step in range(4):
        loss = net.loss(step, rank)
        if step == 3 and rank == 0:
            loss = loss + net.sometimes.sum() * float("inf")
        before, kept = net.always.detach().clone(), left_behind(opt)
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()
        opt.zero_grad()
        assert torch.equal(before, net.always.detach()) == (step == 3)
    torch.testing.assert_close(left_behind(opt), kept, rtol=0, atol=1e-9)
    opt.finish()
    opt.detach()


@pytest.mark.parametrize("wire", ["none", *FORMATS])
def test_averages_can_be_seen_and_clipped_before_the_step(wire: str, rank: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(sgd(net), net, algorithms.LayerWise(order="all"), wire=wire) as opt:
        for step in range(3):
            opt.zero_grad()
            torch_nets.loss(net, step, rank).backward()
            norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            assert hvd.allgather(norm.reshape(1), name=f"wire.norm.{wire}").unique().numel() == 1
            opt.step()
        opt.check_agreement()


@pytest.mark.parametrize("wire", ["none", *FORMATS])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_numbers_of_every_kind_travel(wire: str, dtype: torch.dtype, rank: int) -> None:
    net = torch.nn.Linear(40, 30).to(dtype)
    torch.nn.init.zeros_(net.weight)  # the way from there has one direction, which every rank of PowerSGD holds
    with DistributedOptimizer(sgd(net), net, algorithms.Synchronous(overlap=True), wire=wire) as opt:
        for _ in range(30):
            opt.zero_grad()
            ((net.weight - rank) ** 2 / 2).sum().backward()
            opt.step()
        opt.check_agreement()
    middle = (hvd.size() - 1) / 2
    assert (net.weight.detach().float() - middle).abs().max() < middle / 5


@pytest.mark.parametrize("wire", FORMATS)
def test_an_overflow_of_one_rank_leaves_out_the_step_of_all(wire: str, rank: int) -> None:
    net = torch.nn.Linear(40, 30)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**4)
    with DistributedOptimizer(sgd(net), net, algorithms.Synchronous(), wire=wire) as opt:
        for step in range(4):
            opt.zero_grad()
            loss = (net.weight**2).sum() * (float("inf") if step == 1 and rank == 0 else 1.0)
            scaler.scale(loss).backward()
            before = net.weight.detach().clone()
            scaler.step(opt)
            scaler.update()
            assert torch.equal(before, net.weight.detach()) == (step == 1)
        opt.check_agreement()
        assert torch.isfinite(net.weight).all()


@pytest.mark.parametrize(
    ("wire", "algorithm", "said"),
    [
        ("fp61", algorithms.Synchronous(), "wire='fp61'.*did you mean 'fp16'"),
        ("powersgd", algorithms.LocalSGD(), "local_sgd sends parameters"),
        ("fp16", algorithms.StockHorovod(), "must be 'none' with stock_horovod"),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_what_one_rank_may_not_ask_for_is_refused_on_all(
    wire: str, algorithm: Algorithm, said: str, alone: bool, rank: int
) -> None:
    net = torch_nets.make()
    with pytest.raises(ValueError, match=said):
        DistributedOptimizer(sgd(net), net, algorithm, wire=wire if rank == 0 or not alone else "none")


def test_ranks_must_ask_for_the_same(rank: int) -> None:
    net = torch_nets.make()
    with pytest.raises(TrainingError, match=r"wire='int16'.*wire='fp16'|wire='fp16'.*wire='int16'"):
        DistributedOptimizer(sgd(net), net, algorithms.Synchronous(), wire="int16" if rank else "fp16")


@pytest.mark.parametrize("wire", FORMATS)
def test_a_rank_with_more_steps_is_told_and_waits_for_nobody(wire: str, rank: int) -> None:
    net = torch.nn.Linear(40, 30)
    steps = 4 if rank == 0 else 3
    with (
        pytest.raises(TrainingError, match="called finish\\(\\) while this one made another step")
        if rank == 0
        else nullcontext(),
        DistributedOptimizer(sgd(net), net, algorithms.Synchronous(overlap=True), wire=wire) as opt,
    ):
        for _ in range(steps):
            opt.zero_grad()
            (net.weight**2).sum().backward()
            opt.step()


@pytest.mark.parametrize("wire", FORMATS)
def test_gradients_count_by_samples_in_every_format(wire: str, rank: int, ranks: int) -> None:
    """Also where a rank has none: what it remembers of other steps travels all the same."""
    net = torch.nn.Linear(40, 30, bias=False)
    torch.nn.init.zeros_(net.weight)
    with DistributedOptimizer(
        torch.optim.SGD(net.parameters(), lr=0.2), net, algorithms.Synchronous(), wire=wire, weighted=True
    ) as opt:
        for step in range(60):
            opt.zero_grad()
            samples = 0 if rank == step % 2 else 3 + rank
            opt.weigh(samples)
            if samples:
                ((net.weight - 1) ** 2 / 2).sum().backward()
            opt.step()
        opt.check_agreement()
    assert (net.weight.detach() - 1).abs().max() < 0.05
