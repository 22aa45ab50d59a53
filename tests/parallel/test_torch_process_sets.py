"""Algorithms over a part of the ranks: two sets at once train as each would alone."""

from __future__ import annotations

import horovod.torch as hvd
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import algorithms
from algorithms.contract import Algorithm
from algorithms.mechanisms.errors import TrainingError
from algorithms.torch import DistributedOptimizer
from tests.parallel import torch_nets

pytestmark = pytest.mark.ranks(4)

PAIRS = ((0, 1), (2, 3))
EXACT: list[Algorithm] = [
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    algorithms.LayerWise(),
    algorithms.LayerWise(order="completion"),
    algorithms.Delayed(steps=0),
    algorithms.BackupWorkers(spares=0),
    algorithms.LocalSGD(period=1),
]
OTHERS: list[Algorithm] = [
    algorithms.Delayed(steps=1),
    algorithms.BackupWorkers(spares=1),
    algorithms.Asynchronous(),
    algorithms.SoftSync(),
    algorithms.Downpour(period=2),
    algorithms.ElasticAveraging(period=2),
    algorithms.LocalSGD(period=2),
    algorithms.SlowMo(period=2),
    algorithms.DiLoCo(period=2),
]


@pytest.fixture(scope="module")
def sets() -> list[hvd.ProcessSet]:
    found = [hvd.ProcessSet(pair) for pair in PAIRS]
    hvd.init(process_sets=found)
    return found


def steps_of(pair: int) -> int:
    return 8 + 6 * pair  # so that neither set waits for the other


def net(pair: int) -> nn.Module:
    torch.manual_seed(pair)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2)).double()


def loss(model: nn.Module, step: int, pair: int, samples: slice) -> torch.Tensor:
    draw = torch.Generator().manual_seed(10 * step + pair)
    x = torch.randn(8, 5, generator=draw, dtype=torch.float64)[samples]
    return nn.functional.mse_loss(model(x), x[:, :2].sin())


def alone(pair: int) -> NDArray[np.float64]:
    model = net(pair)
    inner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for step in range(steps_of(pair)):
        inner.zero_grad()
        loss(model, step, pair, slice(0, 8)).backward()
        inner.step()
    return torch_nets.vector(model)


def trained(algorithm: Algorithm, pair: int, rank: int, among: hvd.ProcessSet) -> NDArray[np.float64]:
    """What one evaluates of it, on this rank."""
    model = net(pair)
    if rank % 2:
        with torch.no_grad():
            model[0].weight.zero_()  # the first rank's of the set come instead
    inner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    half = slice(4 * (rank % 2), 4 * (rank % 2) + 4)
    with DistributedOptimizer(inner, model, algorithm, process_set=among) as opt:
        for step in range(steps_of(pair)):
            opt.zero_grad()
            loss(model, step, pair, half).backward()
            opt.step()
        opt.finish()
        with opt.evaluation():
            return torch_nets.vector(model)


@pytest.mark.parametrize("algorithm", EXACT, ids=repr)
def test_two_sets_at_once_train_as_one_device_would(
    algorithm: Algorithm, rank: int, sets: list[hvd.ProcessSet]
) -> None:
    pair = rank // 2
    ended = trained(algorithm, pair, rank, sets[pair])
    np.testing.assert_allclose(ended, alone(pair), rtol=0, atol=1e-12)


@pytest.mark.parametrize("algorithm", OTHERS, ids=repr)
def test_two_sets_end_with_replicas_of_their_own(algorithm: Algorithm, rank: int, sets: list[hvd.ProcessSet]) -> None:
    pair = rank // 2
    ended = trained(algorithm, pair, rank, sets[pair])
    everyone = hvd.allgather_object(ended, name=f"ended.{algorithm}")
    assert np.array_equal(everyone[2 * pair], everyone[2 * pair + 1])
    assert not np.allclose(everyone[0], everyone[2])


def test_one_set_trains_another_algorithm_than_the_other(rank: int, sets: list[hvd.ProcessSet]) -> None:
    pair = rank // 2
    ended = trained((algorithms.LayerWise(), algorithms.ElasticAveraging(period=2))[pair], pair, rank, sets[pair])
    if pair == 0:
        np.testing.assert_allclose(ended, alone(pair), rtol=0, atol=1e-12)


@pytest.mark.parametrize("algorithm", [algorithms.Synchronous(), algorithms.Delayed(steps=1)], ids=repr)
def test_a_rank_that_finishes_early_is_named_within_its_set(
    algorithm: Algorithm, rank: int, sets: list[hvd.ProcessSet]
) -> None:
    pair = rank // 2
    model = net(pair)
    opt = DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=0.1), model, algorithm, process_set=sets[pair])

    def train() -> None:
        for step in range(6 - 2 * (rank == 1)):
            opt.zero_grad()
            loss(model, step, pair, slice(0, 8)).backward()
            opt.step()
        opt.finish()

    if rank == 0:
        with pytest.raises(TrainingError, match=r"1 of 2 ranks called finish\(\) while this one made another step"):
            train()
    else:
        train()
    opt.detach()


def test_what_a_set_cannot_do_is_refused(rank: int, sets: list[hvd.ProcessSet]) -> None:
    model = net(0)
    inner = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=f"rank {rank} is not in it; only its ranks wrap and train"):
        DistributedOptimizer(inner, model, algorithms.Synchronous(), process_set=sets[1 - rank // 2])
    with pytest.raises(ValueError, match=r"an hvd\.ProcessSet that Horovod knows"):
        DistributedOptimizer(inner, model, algorithms.Synchronous(), process_set=hvd.ProcessSet([0, 3]))
    with pytest.raises(ValueError, match=r"use hvd\.DistributedOptimizer"):
        DistributedOptimizer(inner, model, algorithms.StockHorovod(), process_set=sets[rank // 2])
