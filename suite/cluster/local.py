"""`Local`: all ranks on this machine, talking over its loopback interface."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Literal, Self

from suite.cluster.contract import ClusterFacts, Counters
from suite.cluster.horovodrun import horovodrun
from suite.cluster.network import Network
from suite.record.part import Kind


def usable_cores() -> int:
    """Cores this process may run on, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def crowded(ranks: int) -> tuple[str, ...]:
    cores = usable_cores()
    if ranks <= cores:
        return ()
    return (f"{ranks} ranks share {cores} cores: replayed compute does not mind, real compute is slowed down by it",)


class LocalNetwork(Network):
    """`"local"`: nothing to choose."""

    wired: ClassVar[bool] = False
    elastic: ClassVar[bool] = True

    kind: Literal["local"] = "local"

    def describe(self, workers: int) -> str:
        return "local"

    def open(self, workers: int) -> Local:
        return Local()


@dataclass
class Local:
    name: str = field(default="local", init=False)
    kind: Kind = field(default="measured", init=False)
    _ranks: int = field(default=0, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def command(self, ranks: int, argv: Sequence[str], *, mpi: bool = False) -> list[str]:
        if ranks < 1:
            raise ValueError(f"ranks is {ranks}, must be at least 1")
        self._ranks = ranks
        return horovodrun(ranks, [("localhost", ranks)], argv, mpi=mpi)

    def environment(self) -> dict[str, str]:
        return {}

    def facts(self) -> ClusterFacts:
        slots = self._ranks or usable_cores()
        return ClusterFacts(name=self.name, kind=self.kind, hosts=1, slots=slots, warnings=crowded(slots))

    def counters(self) -> tuple[Counters, ...]:
        """None: the loopback interface carries everything else on this machine too."""
        return ()
