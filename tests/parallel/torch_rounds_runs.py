"""Short trainings in rounds on a small net, for several test files."""

from __future__ import annotations

import time
from collections.abc import Callable

import horovod.torch as hvd
import numpy as np
import torch
from numpy.typing import NDArray

from algorithms.contract import Rounds
from algorithms.torch import DistributedOptimizer
from algorithms.torch.rounds.driver import RoundsDriver
from algorithms.virtual import SGD, AdamW, Cluster
from algorithms.wire import Asked
from tests.parallel import torch_nets

OPTIMIZERS = {
    "sgd": (lambda net: torch.optim.SGD(net.parameters(), lr=0.05), SGD(learning_rate=0.05)),
    "momentum": (
        lambda net: torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.8),
        SGD(learning_rate=0.02, momentum=0.8),
    ),
    "adamw": (
        lambda net: torch.optim.AdamW(net.parameters(), lr=0.002, weight_decay=0.0),
        AdamW(learning_rate=0.002, weight_decay=0.0),
    ),
}


def driver(opt: DistributedOptimizer) -> RoundsDriver:
    assert isinstance(opt._driver, RoundsDriver)
    return opt._driver


class Run:
    """What one rank did."""

    def __init__(
        self,
        algorithm: Rounds,
        optimizer: str,
        steps: int,
        rank: int,
        pause: float = 0.0,
        slowest: float = 1.0,
        wire: Asked = "none",
    ) -> None:
        net = torch_nets.make(seed=5 + rank)
        draw = np.random.default_rng(rank)
        factor = slowest if rank == hvd.size() - 1 else 1.0
        with DistributedOptimizer(OPTIMIZERS[optimizer][0](net), net, algorithm, wire=wire) as opt:
            self.records = opt.keep_records()
            for step in range(steps):
                number = driver(opt).worker.life.step if algorithm.tagged else step
                with opt.attempt():
                    opt.zero_grad()
                    loss = torch_nets.loss(net, number, rank)
                    if pause:
                        (time.sleep if opt.late is None else opt.late.wait)(draw.exponential(pause) * factor)
                    loss.backward()
                opt.step()
            opt.finish()
            self.own = torch_nets.vector(net)
            with opt.evaluation():
                self.evaluated = torch_nets.vector(net)
            self.telemetry = opt.telemetry()


def gradient_of(net: torch.nn.Module) -> Callable[[int, int, NDArray[np.float64]], NDArray[np.float64]]:
    """What backward makes of any parameters; what it leaves alone has gradient zero."""
    trained = [p for p in net.parameters() if p.requires_grad]

    def gradient(worker: int, step: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        net.zero_grad()
        with torch.no_grad():
            for p, values in zip(trained, np.split(x, np.cumsum([p.numel() for p in trained])[:-1]), strict=True):
                p.copy_(torch.from_numpy(values.reshape(p.shape)))
        torch_nets.loss(net, step, worker).backward()
        return np.concatenate(
            [np.zeros(p.numel()) if p.grad is None else p.grad.cpu().numpy().ravel() for p in trained]
        )

    return gradient


def cluster(algorithm: Rounds, optimizer: str, workers: int, wire: Asked = "none") -> Cluster:
    """The same training in virtual time."""
    net = torch_nets.make()
    return Cluster(
        workers=workers,
        algorithm=algorithm,
        optimizer=OPTIMIZERS[optimizer][1],
        parameters=torch_nets.vector(net),
        gradient=gradient_of(net),
        layers=torch_nets.shapes(net),
        wire=wire,
    )


def agree(mine: NDArray[np.float64], name: str) -> bool:
    everybody = hvd.allgather(torch.from_numpy(mine).reshape(1, -1), name=name)
    return all(torch.equal(other, everybody[0]) for other in everybody)
