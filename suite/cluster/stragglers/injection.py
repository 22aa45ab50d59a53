"""Slowing one rank down, and keeping account of what was asked and what really took place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from suite.cluster.stragglers.straggler import Straggler


@dataclass(frozen=True)
class Injected:
    """Per step, in seconds. `clipped` delays were cut off at the straggler's limit."""

    asked: tuple[float, ...]
    measured: tuple[float, ...]
    clipped: int

    @property
    def excess(self) -> float | None:
        """How much more was slept than asked, as a share; None where nothing was asked."""
        asked = sum(self.asked)
        return sum(self.measured) / asked - 1 if asked else None


@dataclass
class Injector:
    """Sleeps after the compute of each step. Does nothing, at no cost, on a rank that is not slowed down.

    `sleep` may come back early, as `threading.Event.wait` does; what is measured is what it took.
    """

    straggler: Straggler | None
    rank: int
    size: int
    seed: int
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _asked: list[float] = field(default_factory=list, init=False)
    _measured: list[float] = field(default_factory=list, init=False)
    _clipped: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._delays = self.straggler.delays(self.rank, self.size, self.seed) if self.straggler else None

    def inject(self, compute_seconds: float) -> float:
        """Call once per step, after `compute_seconds` of computing; returns the seconds that it slept."""
        if self.straggler is None or self._delays is None:
            return 0.0
        asked = next(self._delays) * (compute_seconds if self.straggler.unit == "compute" else 1.0)
        if asked > self.straggler.limit_seconds:
            asked = self.straggler.limit_seconds
            self._clipped += 1
        measured = 0.0
        if asked > 0:
            start = self.clock()
            self.sleep(asked)
            measured = self.clock() - start
        self._asked.append(asked)
        self._measured.append(measured)
        return measured

    def injected(self) -> Injected:
        return Injected(tuple(self._asked), tuple(self._measured), self._clipped)
