"""What wire formats do with arrays, in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algorithms.wire.format import Format, Memory, Shape


class TorchArrays:
    """On the device where a tensor is."""

    def made(self, values: NDArray[np.float64], like: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(values).to(like.device, like.dtype)

    def cast(self, x: torch.Tensor, kind: str) -> torch.Tensor:
        return x.to({"float16": torch.float16, "int32": torch.int32}[kind])

    def like(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return x.to(other.dtype)

    def largest(self, x: torch.Tensor) -> torch.Tensor:
        lowest, highest = x.aminmax()  # of NaNs NaN; nothing of the size of x in between
        highest = torch.maximum(-lowest, highest).reshape(1)
        return torch.where(torch.isfinite(highest), highest, torch.inf)

    def whole(self, x: torch.Tensor) -> torch.Tensor:
        return x.round()

    def finite(self, x: torch.Tensor) -> Any:
        return torch.isfinite(x).all()

    def chosen(self, condition: Any, yes: torch.Tensor, no: Any) -> torch.Tensor:
        if condition.is_cuda:  # nobody waits for the device to know which
            return torch.where(condition, yes, no)
        if condition:
            return yes
        return no if isinstance(no, torch.Tensor) else torch.full_like(yes, no)

    def shaped(self, x: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        return x.reshape(tuple(shape))

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        return x.T

    def joined(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.cat([first, second])

    def orthonormal(self, x: torch.Tensor) -> torch.Tensor:
        columns: torch.Tensor = torch.linalg.qr(x)[0]
        return columns


def shape_of(tensor: torch.Tensor) -> Shape:
    """As a format sees it: a matrix has a row for each output, which PyTorch's layers have first.

    Asks for nothing that a parameter whose update is still to come would wait for.
    """
    if tensor.dim() < 2 or tensor.is_complex():
        return (tensor.numel() * (2 if tensor.is_complex() else 1),)
    return tensor.shape[0], math.prod(tensor.shape[1:]) if tensor.shape[0] else 0


class Memories:
    """What this worker remembers of each tensor between two exchanges; written by whoever carries them."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.residuals: dict[tuple[int, int], torch.Tensor] = {}  # by tensor and the first element of a unit
        self.bases: dict[int, torch.Tensor] = {}

    def at(self, tensor: int, start: int, stop: int, shape: Shape, part: torch.Tensor) -> Memory:
        """Of elements start..stop, which are `part`; zeros and the format's own basis at first."""
        residual, basis = self.residuals.get((tensor, start)), self.bases.get(tensor)
        if residual is None and self.form.leaves(shape):
            residual = torch.zeros(stop - start)
        if basis is None and (first := self.form.basis(shape, tensor)) is not None:
            basis = TorchArrays().made(first, part)
        return Memory(_as(residual, part), _as(basis, part))

    def keep(self, tensor: int, start: int, memory: Memory) -> None:
        if memory.residual is not None:
            self.residuals[tensor, start] = memory.residual
        if memory.basis is not None:
            self.bases[tensor] = memory.basis

    @property
    def bytes(self) -> int:
        kept = [*self.residuals.values(), *self.bases.values()]
        return sum(tensor.numel() * tensor.element_size() for tensor in kept)

    def state_dict(self, names: Sequence[str]) -> dict[str, Any]:
        return {
            "format": str(self.form),
            "residuals": {f"{names[n]}:{start}": kept.clone() for (n, start), kept in list(self.residuals.items())},
            "bases": {names[number]: kept.clone() for number, kept in list(self.bases.items())},
        }

    def load_state_dict(self, names: Sequence[str], state: dict[str, Any]) -> None:
        """What another format has left behind is of no use to this one, which begins anew."""
        self.residuals, self.bases = {}, {}
        if state.get("format") != str(self.form):
            return
        numbers = {name: number for number, name in enumerate(names)}
        for key, kept in state["residuals"].items():
            name, _, start = key.rpartition(":")
            self.residuals[numbers[name], int(start)] = kept.clone()
        self.bases = {numbers[name]: kept.clone() for name, kept in state["bases"].items()}


def _as(kept: torch.Tensor | None, part: torch.Tensor) -> torch.Tensor | None:
    return None if kept is None else kept.to(part.device, part.dtype)
