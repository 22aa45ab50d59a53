"""Many tensors laid end to end as one flat array, cut into pieces: where everything lies, as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise


@dataclass(frozen=True)
class Span:
    """Elements start..stop of one tensor lie in the flat array from `at` on."""

    tensor: int
    start: int
    stop: int
    at: int


@dataclass(frozen=True)
class Cut:
    """Elements start..stop of the flat array, and which parts of which tensors these are."""

    start: int
    stop: int
    spans: tuple[Span, ...]

    @property
    def size(self) -> int:
        return self.stop - self.start


def offsets(sizes: Sequence[int]) -> tuple[int, ...]:
    """Where each tensor begins, and last where the flat array ends."""
    return (0, *accumulate(sizes))


def cut_flat(sizes: Sequence[int], largest: int) -> tuple[Cut, ...]:
    """Cut the flat array into pieces of nearly one size, at most `largest` elements, whatever tensors they run across."""
    if largest < 1:
        raise ValueError(f"largest={largest}: a piece has at least 1 element")
    begins = offsets(sizes)
    total = begins[-1]
    count = -(-total // largest)
    edges = [total * i // count for i in range(count + 1)] if count else []
    cuts: list[Cut] = []
    tensor = 0
    for start, stop in pairwise(edges):
        spans = []
        while tensor < len(sizes) and begins[tensor] < stop:
            first, last = max(start, begins[tensor]), min(stop, begins[tensor + 1])
            if first < last:
                spans.append(Span(tensor, first - begins[tensor], last - begins[tensor], first))
            if begins[tensor + 1] > stop:
                break
            tensor += 1
        cuts.append(Cut(start, stop, tuple(spans)))
    return tuple(cuts)


def cut_between(sizes: Sequence[int], units: Sequence[Sequence[tuple[int, int]] | None] = ()) -> tuple[Cut, ...]:
    """One piece for each tensor, for what is done tensor by tensor, or for each unit of a tensor that has units."""
    begins = offsets(sizes)
    whole = units or [None] * len(sizes)
    return tuple(
        Cut(begin + start, begin + stop, (Span(tensor, start, stop, begin + start),))
        for tensor, (begin, size, parts) in enumerate(zip(begins, sizes, whole, strict=False))
        for start, stop in (((0, size),) if parts is None else parts)
        if start < stop
    )
