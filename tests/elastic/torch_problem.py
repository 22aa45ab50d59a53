"""A small net and its data for elastic jobs."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

BATCH = 8


def net() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 4))


def batch(rank: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1000 * step + rank)
    inputs = torch.randn(BATCH, 20, generator=generator)
    return inputs, inputs[:, :4].sin()


def digest(model: nn.Module) -> str:
    """Of all parameters' bits."""
    every = hashlib.sha256()
    for tensor in model.parameters():
        every.update(tensor.detach().numpy().tobytes())
    return every.hexdigest()[:16]
