"""What a wire format is: how one worker's numbers become what travels, and the sums of it become numbers again.

A format is written once, as a generator: it yields what it wants reduced over all workers and is sent the result. The
virtual cluster runs all workers' journeys in step, a binding runs its own and asks Horovod. What is lost on the way can be
remembered and added to what travels next (error feedback).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from algorithms.wire.arrays import Array, Arrays

Shape = tuple[int, ...]  # of a tensor as a format sees it: (elements,), or (rows, columns)
Units = tuple[tuple[int, int], ...]  # first and behind the last element of each


class Reduce(StrEnum):
    """What happens to everybody's arrays. Horovod offers no more on Gloo that would help."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"


@dataclass(frozen=True)
class Leg:
    """A part of the way: this array, reduced over all workers. It may be overwritten."""

    array: Array
    reduce: Reduce = Reduce.SUM


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """What is known beforehand of what travels."""

    workers: int
    shape: Shape
    mean: bool  # the mean over workers is wanted, not the sum

    @property
    def divisor(self) -> int:
        return self.workers if self.mean else 1

    @property
    def plain(self) -> Reduce:
        """What does it where nothing is coded."""
        return Reduce.MEAN if self.mean else Reduce.SUM


@dataclass(frozen=True)
class Memory:
    """What a worker remembers of one unit between two exchanges. None: not kept."""

    residual: Array = None  # what has not been sent yet
    basis: Array = None  # the same on every worker

    def without(self, residual: Array) -> Memory:
        """With this residual for its own: a worker without anything to send keeps what it has."""
        return self if self.residual is None else replace(self, residual=residual)


@dataclass(frozen=True)
class Landed:
    """The end of a journey."""

    result: Array  # mean or sum
    memory: Memory


Journey = Generator[Leg, Any, Landed]


@dataclass(frozen=True, kw_only=True)
class Format(ABC):
    """How numbers travel. Frozen; whatever changes is in the memory."""

    name: ClassVar[str]  # = file name = key in FORMATS = name in specifications and reports
    feeds_back: ClassVar[bool] = False  # what was not sent is kept, and sent with what travels next
    of_changes_only: ClassVar[bool] = False  # of no use for parameters themselves

    @abstractmethod
    def journey(self, part: Array, memory: Memory, crossing: Crossing, arrays: Arrays) -> Journey:
        """One unit, flat, from this worker to the mean or the sum of all."""

    @abstractmethod
    def bytes(self, shape: Shape, item: int) -> int:
        """What a tensor hands to the wire, its numbers taking `item` bytes each."""

    def units(self, shape: Shape) -> Units | None:
        """The parts of a tensor that travel as a whole each; None: it may be cut anywhere."""
        return None

    def basis(self, shape: Shape, number: int) -> NDArray[np.float64] | None:
        """What the memory of tensor `number` begins with, the same on every worker."""
        return None

    def memory(self) -> float:
        """Copies of the parameters that one worker keeps for it."""
        return 1.0 if self.feeds_back else 0.0

    def leaves(self, shape: Shape) -> bool:
        """Whether something of such a tensor is left behind, and kept."""
        return self.feeds_back

    def __str__(self) -> str:
        """As one writes it: the name, and behind a colon what is not as usual."""
        options = {
            key: value for key, value in vars(self).items() if value != type(self).__dataclass_fields__[key].default
        }
        return self.name + "".join(f":{key}={value}" for key, value in options.items())


def elements(shape: Shape) -> int:
    return math.prod(shape)
