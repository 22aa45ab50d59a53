"""The replica of the centre in flat arrays, as it begins, is broadcast and saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from algorithms.contract import Rounds
from algorithms.mechanisms.quorum import replica
from algorithms.torch.rounds.space import Flat, Space, Stretch
from algorithms.torch.rounds.wire import TorchWire


class Replica(replica.AnyReplica[Stretch, Flat]):
    """Flat arrays for as much of a `Centre` as the algorithm keeps."""

    def __init__(self, algorithm: Rounds, space: Space) -> None:
        super().__init__(algorithm, lambda part: space.empty())
        self.space = space
        self.begin()

    def begin(self) -> None:
        """Start from the model's parameters."""
        for piece in self.space.pieces:
            self.put(piece, self.algorithm.centre(self.space.read(piece)))

    def take_first(self, wire: TorchWire) -> None:
        """Take rank 0's replica."""
        for flat in self.kept.values():
            wire.broadcast(flat)

    def state_dict(self, names: Sequence[str]) -> dict[str, Any]:
        return {part: flat.copies(names) for part, flat in self.kept.items()}

    def load_state_dict(self, names: Sequence[str], state: dict[str, Any]) -> None:
        for part in self.kept:
            if part not in state:
                raise ValueError(f"the saved state has no {part!r} of the centre, which {self.algorithm.name} keeps")
        if "parameters" in state:
            self.keep("parameters")  # of an overlapped round that was not adopted yet
        for part, flat in self.kept.items():
            flat.take(names, state[part])
