"""Rounds on real ranks reproduce the virtual driver: step by step where all meet, else by replaying who came when."""

from __future__ import annotations

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Moment, Rounds
from algorithms.torch import DistributedOptimizer
from algorithms.virtual.replay import recording
from tests.parallel import torch_nets
from tests.parallel.torch_rounds_runs import OPTIMIZERS, Run, agree, cluster

# Fusion depends on timing and decides in which order a sum is taken.
pytestmark = pytest.mark.ranks(2, 4, environment={"HOROVOD_FUSION_THRESHOLD": "0"})


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


MEETING = [
    algorithms.LocalSGD(period=4),
    algorithms.LocalSGD(period=4, warmup=3),
    algorithms.LocalSGD(period=4, overlap=2),
    algorithms.SlowMo(period=3, momentum=0.5),
    algorithms.DiLoCo(period=4),
    algorithms.DiLoCo(period=4, overlap=3),
    algorithms.ElasticAveraging(period=3),
    algorithms.ElasticAveraging(period=4, overlap=2),
    algorithms.ElasticAveraging(period=3, momentum=0.6),
    algorithms.ElasticAveraging(period=4, momentum=0.6, overlap=3),
    algorithms.ElasticAveraging(period=3, order="gradient_first"),
    algorithms.BackupWorkers(spares=0),
    algorithms.BackupWorkers(spares=0, give_up=True),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("algorithm", MEETING, ids=repr)
def test_meetings_reproduce_the_virtual_trajectory(algorithm: Rounds, optimizer: str, rank: int, ranks: int) -> None:
    steps = 20
    virtual = cluster(algorithm, optimizer, ranks)
    expected = torch_nets.told_by_rank_0(lambda: virtual.run(steps=steps, record=0), "expected")
    run = Run(algorithm, optimizer, steps, rank)
    start = torch_nets.vector(torch_nets.make())
    assert np.abs(run.own - start).max() > 0.01, "nothing was learned, so nothing was compared"
    scale = np.abs(start).max()  # float64 on both sides: they add in different orders, and that is all
    np.testing.assert_allclose(run.own, expected.workers[rank], rtol=0, atol=1e-9 * scale)
    if algorithm.centre(np.zeros(1)).parameters is not None:
        np.testing.assert_allclose(run.evaluated, expected.averages[-1], rtol=0, atol=1e-9 * scale)
    assert run.telemetry.rounds == expected.rounds
    assert run.telemetry.used == expected.used[rank]


ARRIVING = [
    algorithms.BackupWorkers(spares=1, averaging=0.9),
    algorithms.BackupWorkers(spares=1, averaging=0.9, give_up=True),
    algorithms.SoftSync(gradients=2),
    algorithms.SoftSync(gradients=1),
    algorithms.Asynchronous(),
    algorithms.Asynchronous(ahead=False),
    algorithms.Asynchronous(max_staleness=1, staleness_scaling=True, clip_norm=0.5),
    algorithms.Downpour(period=2),
    algorithms.Downpour(period=1, server_momentum=0.5, average="running"),
    algorithms.Downpour(period=2, average="moving", moving_rate=0.1),
    algorithms.ElasticAveraging(period=2, asynchronous=True),
    algorithms.ElasticAveraging(period=2, asynchronous=True, momentum=0.5),
    algorithms.ElasticAveraging(period=2, asynchronous=True, order="gradient_first"),
]


@pytest.mark.parametrize(
    ("algorithm", "optimizer"),
    [*((a, "momentum") for a in ARRIVING), *((ARRIVING[i], "adamw") for i in (0, 1, 4, 7))],
    ids=repr,
)
def test_arrivals_replayed_in_virtual_time_give_the_same_centre(
    algorithm: Rounds, optimizer: str, rank: int, ranks: int
) -> None:
    steps = 110 if algorithm.departs is not Moment.BACKWARD_ENDED else 60
    run = Run(algorithm, optimizer, steps, rank, pause=0.002, slowest=3.0)
    assert agree(run.evaluated, f"evaluated.{algorithm!r}.{optimizer}"), "replicas of the centre differ"
    recorded, virtual = recording(algorithm, run.records, ranks), cluster(algorithm, optimizer, ranks)
    assert torch_nets.told_by_rank_0(lambda: recorded, "recorded") == recorded, "ranks remember different rounds"
    trace = torch_nets.told_by_rank_0(lambda: virtual.run(steps=0, replay=recorded, record=0), "trace")
    start = torch_nets.vector(torch_nets.make())
    assert trace.rounds == len(run.records) >= 50
    assert np.abs(run.evaluated - start).max() > 0.01, "nothing was learned, so nothing was compared"
    np.testing.assert_allclose(run.evaluated, trace.averages[-1], rtol=0, atol=1e-9 * np.abs(start).max())
    ages: dict[int, int] = {}
    for record in run.records:
        for contribution in record.taken:
            if contribution.worker == rank:
                age = record.round - contribution.read
                ages[age] = ages.get(age, 0) + 1
    assert dict(run.telemetry.staleness) == ages
    assert run.telemetry.used == sum(ages.values()) == trace.used[rank]
    if algorithm.tagged:
        ended = run.telemetry.used + run.telemetry.dropped + run.telemetry.given_up
        assert ended == run.telemetry.steps, "every step ends in one way"
        assert (run.telemetry.given_up > 0) <= algorithm.gives_up


def test_backup_workers_without_spares_are_synchronous(rank: int, ranks: int) -> None:
    mine = Run(algorithms.BackupWorkers(spares=0), "momentum", 12, rank)
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["momentum"][0](net), net, algorithms.Synchronous()) as opt:
        for step in range(12):
            opt.zero_grad()
            torch_nets.loss(net, step, rank).backward()
            opt.step()
    assert dict(mine.telemetry.staleness) == {0: 12}
    if ranks == 2:
        assert np.array_equal(mine.own, torch_nets.vector(net))
    # With more, where an exchange is cut decides in which order Gloo's ring adds, and rounds cut a flat array.
    np.testing.assert_allclose(mine.own, torch_nets.vector(net), rtol=0, atol=1e-9)


def test_they_are_so_bit_for_bit_where_both_are_cut_alike(rank: int, ranks: int) -> None:
    ends = []
    for algorithm in (algorithms.BackupWorkers(spares=0), algorithms.Synchronous()):
        draw = torch.Generator().manual_seed(3)
        layer = torch.nn.Linear(50, 40, bias=False)  # one tensor: one exchange in either
        with torch.no_grad():
            layer.weight.normal_(generator=draw)
        with DistributedOptimizer(torch.optim.SGD(layer.parameters(), lr=0.01, momentum=0.9), layer, algorithm) as opt:
            for step in range(12):
                opt.zero_grad()
                inputs = torch.randn(7, 50, generator=torch.Generator().manual_seed(100 * step + rank))
                torch.tanh(layer(inputs)).square().sum().backward()
                opt.step()
        ends.append(layer.weight.detach().clone())
    assert torch.equal(*ends)
