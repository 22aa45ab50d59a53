"""What a wire format makes of a tensor: how many bytes travel, and in how many exchanges."""

from __future__ import annotations

import math
from dataclasses import dataclass

from suite.simulate.workload import ITEM
from suite.suggest import unknown

NAMES = ("none", "fp16", "int16", "powersgd")


@dataclass(frozen=True)
class Wire:
    """`rounds`: exchanges one after the other for one tensor; `votes`: small ones beside them."""

    name: str
    rank: int = 0
    rounds: int = 1
    votes: int = 0

    def bytes(self, shape: tuple[int, ...]) -> float:
        """Of a tensor of this shape."""
        elements = math.prod(shape)
        if self.name in ("fp16", "int16"):
            return elements * ITEM / 2
        if self.name == "powersgd" and len(shape) > 1:
            rows = shape[0]
            return float(min(elements, self.rank * (rows + elements // rows))) * ITEM
        return float(elements * ITEM)


def named(text: str) -> Wire:
    """`fp16`, `powersgd:rank=2`."""
    name, _, option = text.partition(":")
    if name not in NAMES:
        raise ValueError(unknown("wire format", name, NAMES))
    if name == "powersgd":
        given = option.removeprefix("rank=") if option else "4"
        if not given.isdecimal() or int(given) < 1:
            raise ValueError(f"wire {text!r}: rank must be a whole number of at least 1, as in powersgd:rank=4")
        return Wire(name, rank=int(given), rounds=2)
    if option:
        raise ValueError(f"wire {text!r}: {name} has no options")
    return Wire(name, votes=1 if name == "int16" else 0)
