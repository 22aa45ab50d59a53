"""A small net with everything that is awkward, its batches, and what the virtual driver makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import horovod.torch as hvd
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from algorithms.contract import Algorithm
from algorithms.torch.arrays import shape_of
from algorithms.virtual import Cluster
from algorithms.virtual import Optimizer as VirtualOptimizer
from algorithms.wire import Asked
from algorithms.wire.format import Shape

CLASSES = 5
T = TypeVar("T")
DEVICE = "cpu"  # where nets and batches lie; conftest's `--device cuda` moves them


class Net(nn.Module):
    """Convolution, batch norm, a shared weight, a module called twice, a frozen, an empty and two unused parameters."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.twice = nn.Linear(64, 64)
        self.shared = nn.Linear(64, 64, bias=False)
        self.shared.weight = self.twice.weight
        self.unused = nn.Linear(3, 2)
        self.empty = nn.Parameter(torch.zeros(0))
        self.frozen = nn.Parameter(torch.ones(4, 1, 1), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))  # used outside any module of its own
        self.out = nn.Linear(64, CLASSES)
        self.to(dtype)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.norm(self.convolution(images)) * self.scale * self.frozen).flatten(1)
        x = torch.tanh(self.twice(torch.tanh(self.twice(x))))
        scores: torch.Tensor = self.out(torch.tanh(self.shared(x)) + x)
        return scores


def make(seed: int = 5, dtype: torch.dtype = torch.float64) -> Net:
    torch.manual_seed(seed)
    return Net(dtype).to(DEVICE)


def batch(
    step: int, rank: int, samples: int = 6, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1000 * step + rank)
    images = torch.randn(samples, 1, 4, 4, generator=draw, dtype=torch.float64).to(DEVICE, dtype)
    return images, torch.randint(0, CLASSES, (samples,), generator=draw).to(DEVICE)


def loss(net: nn.Module, step: int, rank: int, samples: int = 6, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    images, labels = batch(step, rank, samples, dtype)
    return nn.functional.cross_entropy(net(images), labels)


def vector(net: nn.Module) -> NDArray[np.float64]:
    """All parameters that train, one after the other."""
    return np.concatenate([p.detach().double().cpu().numpy().ravel() for p in net.parameters() if p.requires_grad])


def told_by_rank_0(compute: Callable[[], T], name: str) -> T:
    """What must be the same on all ranks and costs each of them as much: they share the cores."""
    told: T = hvd.broadcast_object(compute() if hvd.rank() == 0 else None, name=name)
    return told


def shapes(net: nn.Module) -> list[Shape]:
    """Of the same, as a format of the wire sees them."""
    return [shape_of(p) for p in net.parameters() if p.requires_grad]


def reference(
    algorithm: Algorithm, optimizer: VirtualOptimizer, workers: int, steps: int, wire: Asked = "none"
) -> list[NDArray[np.float64]]:
    """Each worker's parameters at the end, by the virtual driver."""
    net = make()

    def gradient(worker: int, step: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        start = 0
        with torch.no_grad():
            for p in net.parameters():
                if p.requires_grad:
                    p.copy_(torch.from_numpy(x[start : start + p.numel()].reshape(p.shape)))
                    start += p.numel()
        net.zero_grad()
        loss(net, step, worker).backward()
        return np.concatenate(
            [
                (np.zeros(p.numel()) if p.grad is None else p.grad.cpu().numpy().ravel())
                for p in net.parameters()
                if p.requires_grad
            ]
        )

    cluster = Cluster(
        workers=workers,
        algorithm=algorithm,
        optimizer=optimizer,
        parameters=vector(net),
        gradient=gradient,
        layers=shapes(net),
        wire=wire,
    )
    return [np.asarray(w) for w in cluster.run(steps=steps, record=0).workers]
