"""The options in an optimizer's parameter groups: so that all replicas of the centre step with the same ones.

A scheduler moves the learning rate of each worker's own optimizer by that worker's own steps. The round takes the options
of the contributor that has come furthest, and never goes back to those of one that had come less far.

They travel as numbers, two for each place of a group: what stands there, and its value. So None is none and not a number
less, and the type is that of the worker who says it: a rate that one worker began with as 1 may be another's 0.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from enum import IntEnum
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Place = tuple[int, str, int]  # number of the group, option, place in its value
NUMBERS = 2  # for each of them


class Kind(IntEnum):
    """What stands at a place."""

    OTHER = 0  # nothing, or what is no number: each replica keeps its own
    NONE = 1
    FLAG = 2
    WHOLE = 3
    REAL = 4


_ABSENT = object()


def _told(value: object) -> tuple[Kind, float]:
    if value is None:
        return Kind.NONE, 0.0
    if isinstance(value, torch.Tensor):
        return (Kind.REAL, float(value)) if value.numel() == 1 else (Kind.OTHER, 0.0)
    if isinstance(value, bool | np.bool_):
        return Kind.FLAG, float(value)
    if isinstance(value, Integral | Real):
        return Kind.WHOLE if isinstance(value, Integral) else Kind.REAL, float(value)
    return Kind.OTHER, 0.0


def _parts(value: object) -> list[object]:
    if isinstance(value, tuple | list):
        return [part for whole in value for part in _parts(whole)]
    return [value]


def _rebuilt(value: Any, told: Iterator[list[float]]) -> Any:
    """The same with what was told: where a tensor holds a number, in that tensor."""
    if isinstance(value, tuple | list):
        return type(value)(_rebuilt(part, told) for part in value)
    kind, number = next(told)
    match Kind(int(kind)):
        case Kind.OTHER:
            return value
        case Kind.NONE:
            return None
        case Kind.FLAG:
            return bool(number)
        case _ if isinstance(value, torch.Tensor) and value.numel() == 1:
            return value.fill_(number)
        case Kind.WHOLE:
            return int(number)
        case Kind.REAL:
            return number


def _said(optimizer: torch.optim.Optimizer) -> Iterator[tuple[Place, object]]:
    """Only what the optimizer itself reads: schedulers add keys of their own."""
    for number, group in enumerate(optimizer.param_groups):
        for key in sorted(optimizer.defaults):
            for place, part in enumerate(_parts(group.get(key, _ABSENT))):
                yield (number, key, place), part


def places(optimizer: torch.optim.Optimizer) -> tuple[Place, ...]:
    """Of all options of all groups."""
    return tuple(place for place, _ in _said(optimizer))


def read(optimizer: torch.optim.Optimizer, like: Sequence[Place] | None = None) -> NDArray[np.float64]:
    """All of them, as they travel. ValueError where they do not lie `like` those of who is to take them."""
    said = list(_said(optimizer))
    different = set() if like is None else {place for place, _ in said}.symmetric_difference(like)
    if different:
        number, key, _ = min(different)
        raise ValueError(
            f"options of the optimizer, group {number}: {key}: must be as many groups and values as when it was wrapped, "
            "whose are at the centre, too; detach() and wrap again"
        )
    return np.array([_told(part) for _, part in said], np.float64).reshape(-1)


def write(optimizer: torch.optim.Optimizer, numbers: NDArray[np.float64]) -> None:
    """Set them, from those of an optimizer that `read` has found to be alike."""
    told = iter(numbers.reshape(-1, NUMBERS).tolist())
    for group in optimizer.param_groups:
        for key in sorted(optimizer.defaults):
            value = _rebuilt(group.get(key, _ABSENT), told)
            if value is not _ABSENT:
                group[key] = value


def mark(numbers: NDArray[np.float64]) -> int:
    """A number that differs where the options differ."""
    return int.from_bytes(hashlib.blake2b(numbers.tobytes(), digest_size=7).digest(), "little")


def learning_rate(optimizer: torch.optim.Optimizer) -> float:
    """Of the first group; 0 where there is none."""
    return float(optimizer.param_groups[0].get("lr", 0.0)) if optimizer.param_groups else 0.0
