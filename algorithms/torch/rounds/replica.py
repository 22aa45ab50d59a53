"""This worker's replica of the centre: what all workers share, equal on each of them after every round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from algorithms.contract import Centre, Rounds
from algorithms.torch.rounds.space import Flat, Space, Stretch
from algorithms.torch.rounds.wire import TorchWire

REBROADCAST = (
    1000  # rounds between two broadcasts of rank 0's centre: replicas on unlike processors may round differently
)


class Replica:
    """Flat arrays for as much of a `Centre` as the algorithm keeps."""

    def __init__(self, algorithm: Rounds, space: Space) -> None:
        self.algorithm, self.space = algorithm, space
        self.parameters: Flat | None = None
        self.velocity: Flat | None = None
        self.average: Flat | None = None
        self.begin()

    def begin(self) -> None:
        """Start from the model's parameters."""
        for piece in self.space.pieces:
            self.put(piece, self.algorithm.centre(self.space.read(piece)))

    def at(self, piece: Stretch) -> Centre:
        """What the rules see of a piece. They get the memory itself and return new arrays."""
        return Centre(
            parameters=self.parameters and self.parameters.at(piece),
            velocity=self.velocity and self.velocity.at(piece),
            average=self.average and self.average.at(piece),
        )

    def put(self, piece: Stretch, centre: Centre) -> None:
        """Keep what a rule has returned."""
        self.parameters = self._kept(self.parameters, piece, centre.parameters)
        self.velocity = self._kept(self.velocity, piece, centre.velocity)
        self.average = self._kept(self.average, piece, centre.average)

    def _kept(self, flat: Flat | None, piece: Stretch, values: torch.Tensor | None) -> Flat | None:
        if values is None:
            return flat
        if flat is None:
            flat = self.space.empty()
        flat.put(piece, values)
        return flat

    def grow_average(self, piece: Stretch, rounds: int) -> None:
        """Take the centre after its `rounds`-th round into the average that evaluation uses."""
        if self.average is not None and self.parameters is not None:
            average, parameters = self.average.at(piece), self.parameters.at(piece)
            self.average.put(piece, self.algorithm.averaged(average, parameters, rounds))

    def take_first(self, wire: TorchWire) -> None:
        """Take rank 0's replica."""
        for flat in self.kept.values():
            wire.broadcast(flat)

    @property
    def evaluated(self) -> Flat | None:
        """What evaluation looks at; None: each worker's own."""
        return self.average if self.average is not None else self.parameters

    @property
    def kept(self) -> dict[str, Flat]:
        parts = {"parameters": self.parameters, "velocity": self.velocity, "average": self.average}
        return {name: flat for name, flat in parts.items() if flat is not None}

    def state_dict(self, names: Sequence[str]) -> dict[str, Any]:
        return {part: flat.copies(names) for part, flat in self.kept.items()}

    def load_state_dict(self, names: Sequence[str], state: dict[str, Any]) -> None:
        for part in self.kept:
            if part not in state:
                raise ValueError(f"the saved state has no {part!r} of the centre, which {self.algorithm.name} keeps")
        if "parameters" in state and self.parameters is None:
            self.parameters = self.space.empty()  # of an overlapped round that was not adopted yet
        for part, flat in self.kept.items():
            flat.take(names, state[part])

    @property
    def bytes(self) -> int:
        return sum(flat.bytes for flat in self.kept.values())
