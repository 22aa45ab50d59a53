"""`Virtual`: workers that are no processes. One command trains all of them in virtual time.

PyTorch is imported once for all runs of a sweep: in many short ones that would take longer than what they compute.
"""

from __future__ import annotations

import atexit
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from suite.cluster.contract import ClusterFacts, Counters, Kind
from suite.warm.owner import WarmPython

IMPORTED = ("torch", "suite.virtual.training_torch")


@dataclass
class Virtual:
    rate_mbit: float | None = None
    delay_ms: float = 0.0
    compute_seconds: float = 1.0
    name: str = field(default="virtual", init=False)
    kind: Kind = field(default="simulated", init=False)
    _ranks: int = field(default=1, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def command(self, ranks: int, argv: Sequence[str], *, mpi: bool = False) -> list[str]:
        self._ranks = ranks
        match list(argv):
            case [_, "-m", module, *arguments]:
                return _warm().command(module, *arguments)
        return list(argv)

    def environment(self) -> dict[str, str]:
        return {}

    def facts(self) -> ClusterFacts:
        asked = {"rate_mbit": self.rate_mbit, "delay_ms": self.delay_ms, "compute_seconds": self.compute_seconds}
        return ClusterFacts(name=self.name, kind=self.kind, hosts=self._ranks, slots=1, asked=asked)

    def counters(self) -> tuple[Counters, ...]:
        return ()


@functools.cache
def _warm() -> WarmPython:
    python = WarmPython(IMPORTED)
    atexit.register(python.close)
    return python
