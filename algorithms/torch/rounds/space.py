"""The parameters laid end to end: flat arrays of their size, and pieces of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from algorithms.mechanisms.flat import Cut, cut_between, cut_flat
from algorithms.torch.arrays import shape_of
from algorithms.torch.memory import flat, size_in_bytes
from algorithms.wire import NONE, Format

PIECE_BYTES = 4 << 20  # of one exchange: large against a collective's latency, small against a model
MOST_PIECES = 256  # Horovod remembers 1024 names of tensors; a piece needs one


def laid_out(tensor: torch.Tensor) -> torch.Tensor:
    """The elements of a dense tensor as they lie in memory, as one dimension that shares it."""
    elements = flat(tensor)
    if elements is None or tensor.is_complex():
        raise ValueError(f"{tensor.dtype} of shape {tuple(tensor.shape)}: must be real numbers without gaps in memory")
    return elements


@dataclass(frozen=True)
class Stretch:
    """A piece of the flat array of one kind of number on one device."""

    number: int
    group: int
    cut: Cut


@dataclass(frozen=True)
class Group:
    """Parameters of one kind of number on one device."""

    dtype: torch.dtype
    device: torch.device
    members: tuple[int, ...]  # places in the list of parameters
    elements: int


class Space:
    """Where each parameter lies in flat arrays; the same on every worker."""

    def __init__(
        self,
        parameters: Sequence[torch.Tensor],
        *,
        piece_bytes: int = PIECE_BYTES,
        tensor_by_tensor: bool = False,
        form: Format = NONE,
    ) -> None:
        self.parameters = tuple(parameters)
        for place, parameter in enumerate(self.parameters):
            if flat(parameter) is None or not parameter.is_floating_point():
                raise ValueError(
                    f"parameter {place}, {parameter.dtype} of shape {tuple(parameter.shape)}: must be floating-point "
                    "numbers without gaps in memory"
                )
        keys = dict.fromkeys((p.dtype, p.device) for p in self.parameters)
        self.groups: list[Group] = []
        self.pieces: list[Stretch] = []
        most_bytes = sum(p.numel() * p.element_size() for p in self.parameters) // MOST_PIECES
        for dtype, device in keys:
            members = tuple(i for i, p in enumerate(self.parameters) if (p.dtype, p.device) == (dtype, device))
            sizes = [self.parameters[i].numel() for i in members]
            largest = max(1, piece_bytes // dtype.itemsize, most_bytes // dtype.itemsize + 1)
            units = [form.units(shape_of(self.parameters[i])) for i in members]
            apart = tensor_by_tensor or any(unit is not None for unit in units)
            cuts = cut_between(sizes, units) if apart else cut_flat(sizes, largest)
            first = len(self.pieces)
            self.pieces += [Stretch(first + i, len(self.groups), cut) for i, cut in enumerate(cuts)]
            self.groups.append(Group(dtype, device, members, sum(sizes)))

    @property
    def bytes(self) -> int:
        return sum(group.elements * group.dtype.itemsize for group in self.groups)

    def part(self, piece: Stretch) -> tuple[int, int, int]:
        """Where a piece lies that is cut from one tensor: its place in the list, first element and the one behind."""
        span = piece.cut.spans[0]
        return self.groups[piece.group].members[span.tensor], span.start, span.stop

    def titles(self, names: Sequence[str]) -> list[str]:
        """What to call each piece: the parameters that it is of, which have these names."""
        titles = []
        for piece in self.pieces:
            members = self.groups[piece.group].members
            first, last = (names[members[piece.cut.spans[end].tensor]] for end in (0, -1))
            titles.append(first if first == last else f"{first} to {last}")
        return titles

    def empty(self) -> Flat:
        return Flat(self, [torch.empty(g.elements, dtype=g.dtype, device=g.device) for g in self.groups])

    def gather(self, piece: Stretch, tensors: Sequence[torch.Tensor | None], out: torch.Tensor) -> torch.Tensor:
        """Copy a piece of these tensors, which lie like the parameters, into `out`. None reads as zeros."""
        members = self.groups[piece.group].members
        for span in piece.cut.spans:
            target = out[span.at - piece.cut.start : span.at - piece.cut.start + span.stop - span.start]
            source = tensors[members[span.tensor]]
            if source is None:
                target.zero_()
            else:
                target.copy_(laid_out(source)[span.start : span.stop])
        return out

    def read(self, piece: Stretch) -> torch.Tensor:
        """A copy of a piece of the parameters."""
        group = self.groups[piece.group]
        return self.gather(piece, self.parameters, torch.empty(piece.cut.size, dtype=group.dtype, device=group.device))

    def write(self, piece: Stretch, values: torch.Tensor) -> None:
        """Set a piece of the parameters."""
        members = self.groups[piece.group].members
        for span in piece.cut.spans:
            source = values[span.at - piece.cut.start : span.at - piece.cut.start + span.stop - span.start]
            laid_out(self.parameters[members[span.tensor]])[span.start : span.stop].copy_(source)


class Flat:
    """One number for each element of the parameters."""

    def __init__(self, space: Space, arrays: list[torch.Tensor]) -> None:
        self.space, self.arrays = space, arrays

    def at(self, piece: Stretch) -> torch.Tensor:
        return self.arrays[piece.group][piece.cut.start : piece.cut.stop]

    def put(self, piece: Stretch, values: torch.Tensor) -> None:
        target = self.at(piece)
        if target.data_ptr() != values.data_ptr():
            target.copy_(values)

    @property
    def bytes(self) -> int:
        return size_in_bytes(self.arrays)

    def views(self) -> list[torch.Tensor]:
        """Tensors shaped and laid out like the parameters, in their order, that share this memory."""
        found: dict[int, torch.Tensor] = {}
        for array, group in zip(self.arrays, self.space.groups, strict=True):
            begin = 0
            for member in group.members:
                parameter = self.space.parameters[member]
                found[member] = torch.as_strided(array, parameter.size(), parameter.stride(), begin)
                begin += parameter.numel()
        return [found[i] for i in range(len(self.space.parameters))]

    def copies(self, names: Sequence[str]) -> dict[str, torch.Tensor]:
        """What goes into a checkpoint."""
        return {name: view.clone() for name, view in zip(names, self.views(), strict=True)}

    def take(self, names: Sequence[str], saved: dict[str, torch.Tensor]) -> None:
        """What comes out of one."""
        for name, view in zip(names, self.views(), strict=True):
            if name not in saved or saved[name].shape != view.shape:
                raise ValueError(f"the saved state does not fit parameter {name!r} of shape {tuple(view.shape)}")
            view.copy_(saved[name])

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(self.arrays)
