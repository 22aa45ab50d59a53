"""What the programs on PyTorch share."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Dataset

from algorithms.torch import DistributedOptimizer
from tests.thirdparty.data import BATCH, CLASSES, INPUTS, of_ranks
from tests.thirdparty.program import Place, Ran

Item = tuple[torch.Tensor, torch.Tensor]


class Rows(Dataset[Item]):
    def __init__(self, place: Place, kind: str) -> None:
        self.inputs, self.answers = map(torch.from_numpy, of_ranks(kind, place.ranks, place.workers))

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Item:
        return self.inputs[index], self.answers[index]


def batches(place: Place, kind: str = "vectors") -> DataLoader[Item]:
    return DataLoader(Rows(place, kind), batch_size=BATCH, collate_fn=_together)


def _together(items: list[Item]) -> Item:
    inputs, answers = zip(*items, strict=True)
    return torch.cat(inputs), torch.cat(answers)


def classifier() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh(), nn.Linear(8, CLASSES)).double()


def wrap(place: Place, optimizer: torch.optim.Optimizer, model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    if place.algorithm is None:
        return optimizer
    return DistributedOptimizer(optimizer, model, place.algorithm, **options)


def ended(losses: list[float], model: nn.Module, *optimizers: torch.optim.Optimizer) -> Ran:
    """Finish as the wrapper asks for, and look."""
    wrapped = [optimizer for optimizer in optimizers if isinstance(optimizer, DistributedOptimizer)]
    for optimizer in wrapped:
        optimizer.finish()
    names = {id(p): name for name, p in model.named_parameters()}
    parameters: dict[str, NDArray[np.float64]] = {}
    for one in optimizers:
        with one.evaluation() if isinstance(one, DistributedOptimizer) else nullcontext():
            held = [p for group in one.param_groups for p in group["params"]]
            parameters |= {names[id(p)]: p.detach().double().numpy().copy() for p in held}
    for optimizer in wrapped:
        optimizer.detach()
    return Ran(losses, parameters)
