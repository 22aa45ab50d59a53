"""`RayHosts`: ranks on the machines of a Ray cluster, which finds them room."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from suite.cluster import rayrun
from suite.cluster.contract import ClusterFacts, ClusterUnavailableError, Counters
from suite.cluster.network import Network
from suite.record.part import Kind

Address = Annotated[str, Field(pattern=rf"^(auto|{rayrun.HERE}|(ray://)?[^\s:/]+:\d+)$")]


class RayNetwork(Network):
    """`{ ray = "auto" }`: `ray` is where the cluster's head is."""

    here: ClassVar[bool] = False
    sign: ClassVar[str | None] = "ray"

    kind: Literal["ray"] = "ray"
    ray: Address = Field(
        default="auto",
        description=f"of the head, as host:6379; auto: the one of this machine; {rayrun.HERE}: a new one",
    )

    def describe(self, workers: int) -> str:
        return f"ray:{self.ray}"

    def open(self, workers: int) -> RayHosts:
        return RayHosts(self.ray)


@dataclass
class RayHosts:
    address: str
    kind: Kind = field(default="measured", init=False)
    _ranks: int = field(default=1, init=False, repr=False)

    @property
    def name(self) -> str:
        return f"ray:{self.address}"

    def __enter__(self) -> Self:
        if importlib.util.find_spec("ray") is None:
            raise ClusterUnavailableError(rayrun.NO_RAY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def command(self, ranks: int, argv: Sequence[str], *, mpi: bool = False) -> list[str]:
        if mpi:
            raise ValueError(
                "Adasum needs MPI, and horovod.ray starts ranks over Gloo alone: use the host file's cluster"
            )
        self._ranks = ranks
        return [sys.executable, "-P", rayrun.__file__, "--address", self.address, "-np", str(ranks), "--", *argv]

    def environment(self) -> dict[str, str]:
        return {}

    def facts(self) -> ClusterFacts:
        # Which machines a rank got it says itself, in its fingerprint.
        return ClusterFacts(name=self.name, kind=self.kind, hosts=1, slots=self._ranks, asked={"ray": self.address})

    def counters(self) -> tuple[Counters, ...]:
        """None: only the ranks can read the counters of other machines."""
        return ()
