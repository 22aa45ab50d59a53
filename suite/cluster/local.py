"""`Local`: all ranks on this machine, talking over its loopback interface."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from suite.cluster.contract import AlwaysThere, ClusterFacts
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
class Local(AlwaysThere):
    name: str = field(default="local", init=False)
    kind: Kind = field(default="measured", init=False)
    _ranks: int = field(default=0, init=False, repr=False)

    def command(self, ranks: int, argv: Sequence[str], *, mpi: bool = False) -> list[str]:
        if ranks < 1:
            raise ValueError(f"ranks is {ranks}, must be at least 1")
        self._ranks = ranks
        return horovodrun(ranks, [("localhost", ranks)], argv, mpi=mpi)

    def facts(self) -> ClusterFacts:
        slots = self._ranks or usable_cores()
        return ClusterFacts(name=self.name, kind=self.kind, hosts=1, slots=slots, warnings=crowded(slots))
