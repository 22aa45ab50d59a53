"""The numbers in an optimizer's parameter groups: so that all replicas of the centre step with the same ones.

A scheduler moves the learning rate of each worker's own optimizer by that worker's own steps. The round takes the options
of the contributor that has come furthest, and never goes back to those of one that had come less far.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Group = dict[str, Any]


def _numbers(value: object) -> list[float]:
    if isinstance(value, torch.Tensor):
        return [float(value)] if value.numel() == 1 else []
    if isinstance(value, bool | int | float):
        return [float(value)]
    if isinstance(value, tuple | list):
        return [number for part in value for number in _numbers(part)]
    return []


def _rebuilt(value: Any, numbers: Iterator[float]) -> Any:
    if isinstance(value, torch.Tensor):
        return value.fill_(next(numbers)) if value.numel() == 1 else value
    if isinstance(value, bool | int | float):
        return type(value)(next(numbers))
    if isinstance(value, tuple | list):
        return type(value)(_rebuilt(part, numbers) for part in value)
    return value


def _keys(optimizer: torch.optim.Optimizer) -> list[str]:
    """Only what the optimizer itself reads: schedulers add keys of their own."""
    return sorted(optimizer.defaults)


def read(optimizer: torch.optim.Optimizer) -> NDArray[np.float64]:
    """All numbers of all groups."""
    keys = _keys(optimizer)
    return np.array([n for group in optimizer.param_groups for key in keys for n in _numbers(group.get(key))], float)


def write(optimizer: torch.optim.Optimizer, numbers: NDArray[np.float64]) -> None:
    """Set them."""
    source = iter(numbers.tolist())
    for group in optimizer.param_groups:
        for key in _keys(optimizer):
            if key in group:
                group[key] = _rebuilt(group[key], source)


def mark(numbers: NDArray[np.float64]) -> int:
    """A number that differs where the options differ."""
    return int.from_bytes(hashlib.blake2b(numbers.tobytes(), digest_size=7).digest(), "little")


def learning_rate(optimizer: torch.optim.Optimizer) -> float:
    """Of the first group; 0 where there is none."""
    return float(optimizer.param_groups[0].get("lr", 0.0)) if optimizer.param_groups else 0.0
