"""A worker's replica of the centre: what all workers share, equal on each of them after every round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from algorithms.contract import Centre, Rounds

PARTS = ("parameters", "velocity", "average")  # of a `Centre`
REBROADCAST = 1000  # rounds between two broadcasts of rank 0's centre: unlike processors may round differently

K = TypeVar("K", contravariant=True)
KEY = TypeVar("KEY")


class PartArrays(Protocol[K]):
    """A binding's arrays for one number beside each element of the parameters, which it cuts as it likes."""

    def at(self, key: K) -> Any: ...

    def put(self, key: K, values: Any) -> None: ...

    @property
    def bytes(self) -> int: ...


H = TypeVar("H", bound=PartArrays[Any])


class AnyReplica(Generic[KEY, H]):
    """As much of a `Centre` as the algorithm keeps."""

    def __init__(self, algorithm: Rounds, create: Callable[[str], H]) -> None:
        self.algorithm, self._create = algorithm, create
        self.kept: dict[str, H] = {}
        probe = algorithm.centre(np.zeros(1))
        for part in PARTS:
            if getattr(probe, part) is not None:
                self.keep(part)

    def keep(self, part: str) -> H:
        """The arrays of one part, from now on also where the algorithm itself would not keep it."""
        if part not in self.kept:
            self.kept[part] = self._create(part)
        return self.kept[part]

    def at(self, key: KEY) -> Centre:
        """What the rules see of a piece. They get the memory itself and return new arrays."""
        return Centre(**{part: held.at(key) for part, held in self.kept.items()})

    def put(self, key: KEY, centre: Centre) -> None:
        """Keep what a rule has returned."""
        for part, held in self.kept.items():
            held.put(key, getattr(centre, part))

    def grow_average(self, key: KEY, rounds: int) -> None:
        """Take the centre after its `rounds`-th round into the average that evaluation uses."""
        if "average" in self.kept:
            centre = self.at(key)
            self.kept["average"].put(key, self.algorithm.averaged(centre.average, centre.parameters, rounds))

    @property
    def evaluated(self) -> H | None:
        """What evaluation looks at; None: each worker's own."""
        return self.kept.get("average", self.kept.get("parameters"))

    @property
    def bytes(self) -> int:
        return sum(held.bytes for held in self.kept.values())
