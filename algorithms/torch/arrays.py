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


class Undo:
    """What one exchange made of a tensor's residuals, for as long as it may turn out that nobody wants its average."""

    def __init__(self) -> None:
        self._may_be_asked = True
        # Before and behind it, by the first element of a unit: references, which cost what would be free without them.
        self._residuals: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def note(self, start: int, before: torch.Tensor | None, behind: torch.Tensor | None) -> None:
        if self._may_be_asked and before is not None and behind is not None:
            self._residuals[start] = before, behind

    def forget(self) -> None:
        """The average is sure to be applied."""
        self._may_be_asked, self._residuals = False, {}

    def differences(self) -> dict[int, torch.Tensor]:
        """What must be added to the residuals of now for this exchange never to have been. Asked for once."""
        residuals, self._residuals = self._residuals, {}
        return {start: before - behind for start, (before, behind) in residuals.items()}

    @property
    def bytes(self) -> int:
        return sum(before.numel() * before.element_size() for before, _ in list(self._residuals.values()))


class Memories:
    """What this worker remembers of each tensor between two exchanges; written by whoever carries them.

    Each exchange adds to what it sends what the one before has left, so taking one back is adding to what is left now
    (`take_back`). By then others may be under way: it goes with the next that leaves (`claim`), on whatever thread.
    """

    def __init__(self, form: Format) -> None:
        self.form = form
        self.owed: dict[int, dict[int, torch.Tensor]] = {}  # to residuals, by tensor and the first element of a unit
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

    def take_back(self, tensor: int, undo: Undo) -> None:
        """The average of an exchange was of no use: what it took from the residuals is there again, what it left is not."""
        for start, difference in undo.differences().items():
            owed = self.owed.setdefault(tensor, {})
            owed[start] = owed[start] + difference if start in owed else difference

    def claim(self, tensor: int) -> dict[int, torch.Tensor]:
        """What is to be added to a tensor's residuals, by a unit's first element, now that it leaves."""
        return self.owed.pop(tensor, {})

    @property
    def bytes(self) -> int:
        owed = [part for parts in list(self.owed.values()) for part in parts.values()]
        kept = [*self.residuals.values(), *self.bases.values(), *owed]
        return sum(tensor.numel() * tensor.element_size() for tensor in kept)

    def state_dict(self, names: Sequence[str]) -> dict[str, Any]:
        return {
            "format": str(self.form),
            "residuals": {
                f"{names[n]}:{start}": kept + self.owed.get(n, {}).get(start, 0)
                for (n, start), kept in list(self.residuals.items())
            },
            "bases": {names[number]: kept.clone() for number, kept in list(self.bases.items())},
        }

    def load_state_dict(self, names: Sequence[str], state: dict[str, Any]) -> None:
        """What another format has left behind is of no use to this one, which begins anew."""
        self.residuals, self.bases, self.owed = {}, {}, {}
        if state.get("format") != str(self.form):
            return
        numbers = {name: number for number, name in enumerate(names)}
        for key, kept in state["residuals"].items():
            name, _, start = key.rpartition(":")
            self.residuals[numbers[name], int(start)] = kept.clone()
        self.bases = {numbers[name]: kept.clone() for name, kept in state["bases"].items()}


def _as(kept: torch.Tensor | None, part: torch.Tensor) -> torch.Tensor | None:
    return None if kept is None else kept.to(part.device, part.dtype)
