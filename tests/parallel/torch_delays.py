"""Random delays where an exchange could be caught under way: in backward, between steps, and on the wire."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from algorithms.mechanisms.plan import Piece
from algorithms.torch.exchange.wire import Cargo, HorovodWire
from algorithms.torch.rounds.wire import TorchWire


class Delays:
    """Seconds drawn from a seed, of this mean; ranks draw different ones."""

    def __init__(self, mean: float, seed: int, rank: int) -> None:
        self._mean = mean
        self._draw = np.random.default_rng([seed, rank])
        self._elsewhere = np.random.default_rng([seed, rank, 1])  # drawn from by the helper thread

    def pause(self) -> None:
        time.sleep(self._draw.exponential(self._mean))

    def slow(self, gradient: torch.Tensor) -> torch.Tensor:
        """A hook for a gradient that takes its time."""
        self.pause()
        return gradient

    def on_the_wire(self, patch: pytest.MonkeyPatch) -> None:
        """Delay every exchange of gradients, every vote and every payload of a round."""
        send, vote, exchange = HorovodWire.send, TorchWire.vote, TorchWire.exchange

        def wait() -> None:
            time.sleep(self._elsewhere.exponential(self._mean))

        def late_send(wire: HorovodWire, parts: Sequence[tuple[Cargo, Piece]], name: str) -> int:
            wait()
            return send(wire, parts, name)

        def late_vote(wire: TorchWire, vector: Any) -> Any:
            wait()
            return vote(wire, vector)

        def late_exchange(wire: TorchWire, *arguments: Any, **options: Any) -> None:
            wait()
            exchange(wire, *arguments, **options)

        patch.setattr(HorovodWire, "send", late_send)
        patch.setattr(TorchWire, "vote", late_vote)
        patch.setattr(TorchWire, "exchange", late_exchange)
