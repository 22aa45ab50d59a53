"""`RayHosts`: ranks on the machines of a Ray cluster, which finds them room."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator

from suite.cluster import rayrun
from suite.cluster.contract import AlwaysThere, ClusterFacts, ClusterUnavailableError
from suite.cluster.network import Network
from suite.record.part import Kind


class RayNetwork(Network):
    """`{ ray = "auto" }`: `ray` is where the cluster's head is."""

    here: ClassVar[bool] = False
    sign: ClassVar[str | None] = "ray"

    kind: Literal["ray"] = "ray"
    ray: str = Field(
        default="auto",
        description=f"of the head, as host:6379; auto: the one of this machine; {rayrun.HERE}: a new one",
    )

    @field_validator("ray")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        if address in ("auto", rayrun.HERE) or re.fullmatch(r"(ray://)?[^\s:/]+:\d+", address):
            return address
        raise ValueError(f"ray = {address!r}: must be 'auto', {rayrun.HERE!r}, or a host and a port, as 10.0.0.1:6379")

    def describe(self, workers: int) -> str:
        return f"ray:{self.ray}"

    def open(self, workers: int) -> RayHosts:
        return RayHosts(self.ray)


@dataclass
class RayHosts(AlwaysThere):
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

    def command(self, ranks: int, argv: Sequence[str], *, mpi: bool = False) -> list[str]:
        if mpi:
            raise ValueError(
                "Adasum needs MPI, and horovod.ray starts ranks over Gloo alone: use the host file's cluster"
            )
        self._ranks = ranks
        return [sys.executable, "-P", rayrun.__file__, "--address", self.address, "-np", str(ranks), "--", *argv]

    def facts(self) -> ClusterFacts:
        # Which machines a rank got it says itself, in its fingerprint.
        return ClusterFacts(name=self.name, kind=self.kind, hosts=1, slots=self._ranks, asked={"ray": self.address})
