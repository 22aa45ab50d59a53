"""What is simulated is what really happens in PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import horovod.torch as hvd
import numpy as np
import pytest
import torch

from algorithms.contract import Algorithm, Rounds
from algorithms.torch import DistributedOptimizer
from suite.experiment import choices
from suite.models import torch_builder
from tests.parallel.simulated_problem import CLOSE, MOMENTUM, RATE, TRIED, Trained, compare, specified, trained

pytestmark = pytest.mark.ranks(4)


@pytest.fixture(autouse=True)
def horovod() -> None:
    hvd.init()


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize("algorithm", TRIED, ids=lambda algorithm: algorithm.name)
def test_simulated_is_real(algorithm: Algorithm, dtype: torch.dtype, rank: int, ranks: int) -> None:
    specification = specified(algorithm, ranks, dtype)
    model = torch_builder.build(choices.net_of(specification.model), specification.seed).to(dtype)
    inner = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)

    with DistributedOptimizer(inner, model, algorithm) as optimizer:
        records = optimizer.keep_records() if isinstance(algorithm, Rounds) else []

        def step(images: np.ndarray, labels: np.ndarray, weight: float, pause: Callable[[], None]) -> float:
            optimizer.zero_grad()
            inputs = torch.from_numpy(images).permute(0, 3, 1, 2).to(dtype)
            loss = torch.nn.functional.cross_entropy(model(inputs), torch.from_numpy(labels))
            (loss * weight).backward()
            pause()
            optimizer.step()
            return float(loss.detach())

        losses = trained(specification, algorithm, rank, step)
        optimizer.finish()
        with optimizer.evaluation():
            parameters = {name: value.detach().numpy().copy() for name, value in model.named_parameters()}
    real = hvd.allgather_object(Trained(losses, parameters), name=f"trained.{algorithm.name}.{dtype}")
    if rank == 0:
        compare(algorithm, dtype, real, records)
