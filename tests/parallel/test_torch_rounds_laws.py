"""What must hold of rounds whatever happens when: staleness, counts, conservation, leavers, options, weights, memory."""

from __future__ import annotations

import time
import weakref
from pathlib import Path

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Rounds
from algorithms.torch import DistributedOptimizer
from tests.parallel import torch_nets
from tests.parallel.torch_rounds_runs import Run, agree, driver

pytestmark = pytest.mark.ranks(2, 4, environment={"HOROVOD_FUSION_THRESHOLD": "0"})

RATE = 0.25  # powers of two keep sums exact in any order


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


class Slope(torch.nn.Module):
    """Its gradient is 1 everywhere, so that parameters count steps."""

    def __init__(self) -> None:
        super().__init__()
        self.x = torch.nn.Parameter(torch.zeros(7, dtype=torch.float64))
        self.y = torch.nn.Parameter(torch.zeros(3, 2, dtype=torch.float32))

    def forward(self) -> torch.Tensor:
        return self.x.sum() + self.y.sum().double()


def total(value: float, name: str) -> float:
    return float(hvd.allreduce(torch.tensor([value], dtype=torch.float64), op=hvd.Sum, name=name))


def count(algorithm: Rounds, steps: int, rank: int, name: str) -> tuple[float, float, int]:
    """Minus the centre, minus the sum of all workers' own, and all steps taken, in units of the rate."""
    model, draw = Slope(), np.random.default_rng(rank)
    with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=RATE), model, algorithm) as opt:
        for _ in range(steps):
            opt.zero_grad()
            model().backward()
            time.sleep(draw.exponential(0.002))
            opt.step()
        opt.finish()
        own = -float(model.x.detach()[0]) / RATE
        assert torch.allclose(model.x.detach()[:6].float(), model.y.detach().view(-1)), "both kinds of number alike"
        with opt.evaluation():
            centre = -float(model.x.detach()[-1]) / RATE
    return centre, total(own, f"{name}.own"), int(total(steps, f"{name}.steps"))


def test_downpour_loses_and_doubles_no_step(rank: int, ranks: int) -> None:
    centre, _, steps = count(algorithms.Downpour(period=2), 10 + 4 * rank, rank, "downpour")
    assert centre == steps


def test_elastic_differences_are_conserved(rank: int, ranks: int) -> None:
    for asynchronous in (True, False):
        for momentum_order in ("paper", "gradient_first"):
            algorithm = algorithms.ElasticAveraging(
                period=2, moving_rate=0.5, asynchronous=asynchronous, order=momentum_order
            )
            name = f"elastic.{asynchronous}.{momentum_order}"
            centre, owns, steps = count(algorithm, 10 + (rank if asynchronous else 0), rank, name)
            assert centre + owns == pytest.approx(steps, rel=1e-12), algorithm


def test_asynchronous_applies_every_gradient_once(rank: int, ranks: int) -> None:
    centre, owns, steps = count(algorithms.Asynchronous(), 6 + 5 * rank, rank, "asynchronous")
    assert centre == steps
    assert owns == ranks * centre, "everyone ends at the centre"


def test_backup_workers_apply_whole_fresh_rounds(rank: int, ranks: int) -> None:
    algorithm = algorithms.BackupWorkers(spares=1)
    run = Run(algorithm, "sgd", 30, rank, pause=0.002, slowest=4.0)
    assert set(run.telemetry.staleness) <= {0}
    assert run.telemetry.rounds == len(run.records) >= 30
    for record in run.records:
        assert len(record.taken) == algorithm.quorum(ranks)
        assert set(record.staleness) == {0}
    assert agree(run.own, "backup")


@pytest.mark.parametrize("bound", [0, 2])
def test_staleness_never_exceeds_its_bound(bound: int, rank: int) -> None:
    run = Run(algorithms.Asynchronous(max_staleness=bound), "sgd", 40, rank, pause=0.002, slowest=4.0)
    assert max(run.telemetry.staleness, default=0) <= bound
    assert run.telemetry.used + run.telemetry.dropped == 40
    dropped = total(run.telemetry.dropped, f"dropped.{bound}")
    noted = sum(len(record.dropped) for record in run.records)
    # What is dropped after the last round stands in no record: a step on offer, and one that began beside it.
    assert noted <= dropped <= noted + 2 * hvd.size()


def test_softsync_keeps_late_gradients(rank: int, ranks: int) -> None:
    run = Run(algorithms.SoftSync(gradients=2), "sgd", 20, rank, pause=0.003, slowest=5.0)
    assert run.telemetry.dropped == 0
    assert run.telemetry.used == 20
    assert all(len(record.taken) == 2 for record in run.records[: 20 * (ranks - 1) // 2])


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.LocalSGD(period=2),
        algorithms.LocalSGD(period=3, overlap=1),
        algorithms.ElasticAveraging(period=2),
        algorithms.SlowMo(period=2),
        algorithms.BackupWorkers(spares=0),
        algorithms.BackupWorkers(spares=1),
        algorithms.SoftSync(gradients=2),
        algorithms.Downpour(),
    ],
    ids=repr,
)
def test_ranks_with_fewer_batches_serve_until_all_are_done(algorithm: Rounds, rank: int, ranks: int) -> None:
    run = Run(algorithm, "momentum", 6 + 5 * rank, rank)
    assert run.telemetry.used + run.telemetry.dropped <= 6 + 5 * rank
    if algorithm.tagged:  # rounds end with the workers whom they need; how many there are before is a matter of pace
        used = total(run.telemetry.used, f"used.{algorithm!r}")
        assert algorithm.quorum(ranks) * run.telemetry.rounds <= used
    if algorithm.centre(np.zeros(1)).parameters is not None:
        assert agree(run.evaluated, f"leavers.{algorithm!r}")
    assert total(run.telemetry.rounds, f"rounds.{algorithm!r}") == ranks * run.telemetry.rounds


def test_a_step_after_the_end_of_training_does_nothing(rank: int, ranks: int) -> None:
    model = Slope()
    opt = DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=RATE), model, algorithms.BackupWorkers(spares=0))
    for _ in range(3 if rank == 0 else 6):
        opt.zero_grad()
        model().backward()
        opt.step()
    opt.finish()
    assert model.x.tolist() == [-3 * RATE] * 7
    assert opt.telemetry().rounds == 3
    assert opt.telemetry().dropped <= min(rank, 1), "what was on offer when the end became known"
    opt.detach()


def test_a_dropped_gradient_is_kept_by_nobody(rank: int, ranks: int, shared_path: Path) -> None:
    """It would stay in memory while the next backward makes another."""
    dropped = shared_path / "dropped"
    model = Slope()
    opt = DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=RATE), model, algorithms.BackupWorkers(spares=1))
    while not dropped.exists():
        opt.zero_grad()
        model().backward()
        before = opt.telemetry()
        while rank == ranks - 1 and before.steps and opt.telemetry().rounds == before.rounds:
            time.sleep(0.001)  # from the second step on: others close a round without it
        opt.step()
        offered = weakref.ref(model.x.grad)
        opt.zero_grad()
        assert offered() is None
        if rank == ranks - 1 and opt.telemetry().dropped:
            dropped.touch()
    opt.finish()
    opt.detach()


def test_a_scheduler_moves_the_centres_rate_alike_everywhere(rank: int, ranks: int) -> None:
    net = torch_nets.make()
    inner = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
    with DistributedOptimizer(inner, net, algorithms.Asynchronous()) as opt:
        scheduler = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.8)
        draw = np.random.default_rng(rank)
        for step in range(20 + 5 * rank):
            opt.zero_grad()
            torch_nets.loss(net, step, rank).backward()
            time.sleep(draw.exponential(0.002))
            opt.step()
            scheduler.step()
        opt.finish()
        rate = driver(opt).work.shadow.optimizer.param_groups[0]["lr"]
    assert agree(torch_nets.vector(net), "scheduled")
    assert agree(np.array([rate]), "scheduled.rate")
    assert rate == pytest.approx(0.1 * 0.8 ** (20 + 5 * (ranks - 1) - 1)), "of the worker that came furthest"


def test_a_mean_over_contributions_becomes_one_over_samples(rank: int, ranks: int) -> None:
    model = Slope()
    inner = torch.optim.SGD(model.parameters(), lr=1.0)
    with DistributedOptimizer(inner, model, algorithms.BackupWorkers(spares=0), weighted=True) as opt:
        opt.zero_grad()
        opt.weigh(rank)  # rank 0 has no sample
        if rank:
            (model() * rank).backward()
        opt.step()
        opt.finish()
    expected = sum(r * r for r in range(ranks)) / sum(range(ranks))
    assert model.x.tolist() == pytest.approx([-expected] * 7)


def test_clipping_bounds_the_averaged_gradient(rank: int, ranks: int) -> None:
    model = Slope()
    inner = torch.optim.SGD(model.parameters(), lr=1.0)
    with DistributedOptimizer(inner, model, algorithms.BackupWorkers(spares=0), clip_norm=0.5) as opt:
        opt.zero_grad()
        model().backward()
        opt.step()
        opt.finish()
    length = float(model.x.detach().square().sum() + model.y.detach().square().sum()) ** 0.5
    assert length == pytest.approx(0.5, rel=1e-5)


class Wide(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(700_000)) for _ in range(24)])

    def forward(self) -> torch.Tensor:
        return torch.stack([w[:3].sum() for w in self.weights]).sum()


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.LocalSGD(period=2),
        algorithms.LocalSGD(period=2, overlap=1),
        algorithms.SlowMo(period=2),
        algorithms.DiLoCo(period=2, overlap=1),
        algorithms.ElasticAveraging(period=2),
        algorithms.ElasticAveraging(period=2, momentum=0.5, overlap=1),
        algorithms.Downpour(period=2, server_momentum=0.5, average="running"),
        algorithms.BackupWorkers(spares=1),
        algorithms.SoftSync(gradients=2, averaging=0.9),
    ],
    ids=repr,
)
def test_memory_and_bytes_are_as_declared(algorithm: Rounds, rank: int, ranks: int) -> None:
    model = Wide()
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=0.01), model, algorithm) as opt:
        for _ in range(4):
            opt.zero_grad()
            model().backward()
            opt.step()
        opt.finish()
        telemetry = opt.telemetry()
        scratch = driver(opt).wire.bytes_held
    assert telemetry.bytes_sent == telemetry.rounds * size
    assert telemetry.memory_bytes - scratch <= algorithm.memory() * size
    assert scratch <= 3 * (4 << 20), "a few pieces, whatever the size of the model"
