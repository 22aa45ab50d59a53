"""One worker alone, kinds of numbers, layouts in memory, and what stays a worker's own."""

from __future__ import annotations

import copy

import horovod.torch as hvd
import numpy as np
import pytest
import torch

import algorithms
from algorithms.contract import Rounds
from algorithms.torch import DistributedOptimizer
from tests.parallel import torch_nets
from tests.parallel.torch_rounds_runs import OPTIMIZERS, agree

pytestmark = pytest.mark.ranks(1, 2)


@pytest.fixture(autouse=True)
def horovod(ranks: int) -> None:
    hvd.init()


ALONE = [
    algorithms.BackupWorkers(spares=0),
    algorithms.Asynchronous(ahead=False),
    algorithms.SoftSync(gradients=1),
    algorithms.Downpour(period=2),
    algorithms.LocalSGD(period=3),
    algorithms.LocalSGD(period=3, overlap=2),
    algorithms.SlowMo(period=2, momentum=0.0),
    algorithms.DiLoCo(period=2, outer_rate=1.0, outer_momentum=0.0),
    algorithms.Adasum(),
]


@pytest.mark.ranks(1)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("algorithm", ALONE, ids=repr)
def test_one_worker_is_the_local_optimizer(algorithm: Rounds, optimizer: str) -> None:
    net = torch_nets.make()
    twin = copy.deepcopy(net)
    local = OPTIMIZERS[optimizer][0](twin)
    with DistributedOptimizer(OPTIMIZERS[optimizer][0](net), net, algorithm) as opt:
        for step in range(12):
            for o, n in ((opt, net), (local, twin)):
                o.zero_grad()
                torch_nets.loss(n, step, 0).backward()
                o.step()
    # Sums like x + (y - x) round differently from y, and Adam divides tiny gradients (a bias before batch norm has none
    # but rounding) by their own size.
    np.testing.assert_allclose(torch_nets.vector(net), torch_nets.vector(twin), rtol=0, atol=1e-9)


class Mixed(torch.nn.Module):
    """Numbers of four kinds, one of them laid out with channels last, one that backward never reaches."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(3)

        def numbers(*shape: int, dtype: torch.dtype) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.randn(*shape, generator=draw).to(dtype))

        self.of_32 = numbers(40, dtype=torch.float32)
        self.of_64 = numbers(5, 3, dtype=torch.float64)
        self.of_16 = numbers(9, dtype=torch.float16)
        self.of_b16 = numbers(11, dtype=torch.bfloat16)
        last = numbers(4, 3, 2, 2, dtype=torch.float32).detach().to(memory_format=torch.channels_last)
        self.last = torch.nn.Parameter(last)
        self.unreached = numbers(6, dtype=torch.float32)
        self.nothing = torch.nn.Parameter(torch.zeros(0, 4))

    def forward(self, goal: float) -> torch.Tensor:
        parts = (self.of_32, self.of_64, self.of_16, self.of_b16, self.last)
        return torch.stack([(p.float() - goal).square().sum() for p in parts]).sum()


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.BackupWorkers(spares=0),
        algorithms.Asynchronous(),
        algorithms.LocalSGD(period=2),
        algorithms.LocalSGD(period=2, overlap=1),
        algorithms.ElasticAveraging(period=2, momentum=0.5),
        algorithms.Downpour(),
    ],
    ids=repr,
)
def test_all_kinds_of_numbers_go_to_the_mean_of_the_goals(algorithm: Rounds, rank: int, ranks: int) -> None:
    model = Mixed()
    before = model.unreached.detach().clone()
    with DistributedOptimizer(torch.optim.SGD(model.parameters(), lr=0.05), model, algorithm) as opt:
        for _ in range(60):
            opt.zero_grad()
            model(float(rank)).backward()
            opt.step()
        opt.finish()
        with opt.evaluation():
            goal = (ranks - 1) / 2
            tolerance = 0.6 if isinstance(algorithm, algorithms.Asynchronous | algorithms.Downpour) else 0.1
            for name, p in model.named_parameters():
                if name not in ("unreached", "nothing"):
                    assert (p.float() - goal).abs().max() < tolerance, name
            assert torch.equal(model.unreached.detach(), before)
            assert model.last.is_contiguous(memory_format=torch.channels_last)
            if not isinstance(algorithm, algorithms.LocalSGD):
                values = np.concatenate([p.detach().double().numpy().ravel() for p in model.parameters()])
                assert agree(values, f"mixed.{algorithm!r}")


def test_batch_norm_statistics_stay_each_workers_own(rank: int, ranks: int) -> None:
    net = torch_nets.make()
    with DistributedOptimizer(OPTIMIZERS["sgd"][0](net), net, algorithms.LocalSGD(period=1)) as opt:
        for step in range(3):
            opt.zero_grad()
            torch_nets.loss(net, step, rank).backward()
            opt.step()
    assert agree(torch_nets.vector(net), "statistics.parameters")
    assert net.norm.running_mean is not None
    assert agree(net.norm.running_mean.numpy(), "statistics.mean") == (ranks == 1)
