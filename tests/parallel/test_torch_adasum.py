"""Adasum on real ranks, which Horovod has over MPI only, takes the virtual driver's trajectory."""

from __future__ import annotations

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.torch import DistributedOptimizer
from tests.parallel import torch_nets
from tests.parallel.torch_rounds_runs import OPTIMIZERS, Run, agree, cluster

pytestmark = pytest.mark.ranks(2, 4, mpi=True)

STEPS = 20


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_virtual_trajectory(optimizer: str, rank: int, ranks: int) -> None:
    expected = cluster(algorithms.Adasum(), optimizer, ranks).run(steps=STEPS, record=0)
    run = Run(algorithms.Adasum(), optimizer, STEPS, rank)
    start = torch_nets.vector(torch_nets.make())
    assert np.abs(run.own - start).max() > 0.01, "nothing was learned, so nothing was compared"
    # float64 on both sides: they add in different orders, and that is all
    np.testing.assert_allclose(run.own, expected.workers[rank], rtol=0, atol=1e-9 * np.abs(start).max())
    assert agree(run.own, f"adasum.{optimizer}")
    assert (run.telemetry.rounds, run.telemetry.used) == (STEPS, STEPS)
    assert run.telemetry.bytes_sent == STEPS * start.nbytes


def test_steps_in_different_directions_add_and_equal_ones_are_averaged(rank: int, ranks: int) -> None:
    across, along = torch.nn.Parameter(torch.zeros(ranks)), torch.nn.Parameter(torch.zeros(3))
    model = torch.nn.ParameterList([across, along])
    with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=1.0), model, algorithms.Adasum()) as opt:
        opt.zero_grad()
        (across[rank] + along.sum()).backward()
        opt.step()
    assert across.tolist() == [-1.0] * ranks
    assert along.tolist() == [-1.0] * 3
