"""A straggler: which ranks are slowed down, how, and how the text in an experiment says so."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from suite.cluster.stragglers.processes import Process

# Gloo gives up on a collective after 30 s, so a rank that sleeps longer ends the job instead of slowing it down.
LIMIT_SECONDS = 20.0

Unit = Literal["seconds", "compute"]


@dataclass(frozen=True, kw_only=True)
class Straggler:
    """`unit`: the delays are seconds, or multiples of what the rank computed in that step.

    Exactly one of `process` (sleep added to the compute) and `cores` (a CPU quota for the whole process) is given.
    """

    text: str
    ranks: tuple[int, ...] | None
    unit: Unit = "seconds"
    process: Process | None = None
    cores: float | None = None
    limit_seconds: float = LIMIT_SECONDS

    def affects(self, rank: int) -> bool:
        return self.ranks is None or rank in self.ranks

    def check(self, size: int) -> None:
        """Does it fit a job of this many ranks?"""
        for rank in self.ranks or ():
            if rank >= size:
                raise ValueError(
                    f"straggler {self.text!r} slows rank {rank}, must be below {size}, the number of ranks"
                )
        if self.process:
            next(self.process.delays(0, size, 0))  # a trace may have too few columns

    def delays(self, rank: int, size: int, seed: int) -> Iterator[float]:
        """What to add to each step of the rank, without end, in `unit`. The same for the same three numbers."""
        self.check(size)
        if not 0 <= rank < size:
            raise ValueError(f"rank is {rank}, must be between 0 and {size - 1}")
        if self.process is None or not self.affects(rank):
            return itertools.repeat(0.0)
        return self.process.delays(rank, size, seed)
