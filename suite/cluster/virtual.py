"""`Virtual`: workers that are no processes. One command trains all of them in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from pydantic import AliasChoices, Field, ValidationInfo, field_validator

from suite.cluster import presets
from suite.cluster.contract import AlwaysThere, ClusterFacts
from suite.cluster.network import Network, written
from suite.record.part import Kind, NonNegative, PositiveNumber

INSTANT = "instant"  # what travels is there at once


class VirtualNetwork(Network):
    """`{ virtual = "10GbE", compute = 0.2 }`: joined by a preset at its full rate, by so many Mbit/s, or "instant"."""

    evidence: ClassVar[Kind] = "simulated"
    worker: ClassVar[str] = "suite.virtual.worker_torch"
    imported: ClassVar[Mapping[str, tuple[str, ...]]] = {"torch": ("torch", "suite.virtual.training_torch")}
    sign: ClassVar[str | None] = "virtual"
    lacks: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("hosts", "loss"), "has no virtual form: each worker has a link of its own, without loss"
    )

    kind: Literal["virtual"] = "virtual"
    rate_mbit: PositiveNumber | None = Field(default=None, description="of each worker's link; if unset, no limit")
    delay_ms: NonNegative = 0.0
    preset: str | None = Field(default=None, description="where the rate comes from, if it does")
    scale: PositiveNumber | None = None
    compute_seconds: PositiveNumber | None = Field(
        default=None,
        validation_alias=AliasChoices("compute", "compute_seconds"),
        description="what a step computes for, stragglers left out; if unset, as a worker of 100 GFLOP/s does",
    )

    @classmethod
    def spelled_out(cls, table: dict[str, Any]) -> dict[str, Any]:
        wire = table.pop("virtual", INSTANT)
        if wire == INSTANT:
            return table
        return ({"preset": wire, "scale": 1.0} if isinstance(wire, str) else {"rate_mbit": wire}) | table

    @field_validator("preset")
    @classmethod
    def _sets_the_rate(cls, preset: str, info: ValidationInfo) -> str:
        return presets.alone(preset, info.data.get("rate_mbit")) if written(info) else preset

    def resolved(self, workers: int) -> Self:
        rate = self.rate_mbit if self.preset is None else presets.find(self.preset).rate_mbit(self.scale or 1.0)
        return super().resolved(workers).model_copy(update={"rate_mbit": rate})

    def timed(self, step_seconds: Callable[[], float]) -> Self:
        if self.compute_seconds is not None:
            return self
        return self.model_copy(update={"compute_seconds": step_seconds()})

    def check(self, workers: int) -> None:
        if self.compute_seconds is None:
            raise ValueError("a virtual network of a run needs compute_seconds")

    def describe(self, workers: int) -> str:
        wire = self.preset or (f"{self.rate_mbit:g} Mbit/s" if self.rate_mbit else INSTANT)
        return f"virtual {wire}" + (f", {self.delay_ms:g} ms" if self.delay_ms else "")

    def open(self, workers: int) -> Virtual:
        return Virtual(self.rate_mbit, self.delay_ms, self.compute_seconds or 1.0)


@dataclass
class Virtual(AlwaysThere):
    rate_mbit: float | None = None
    delay_ms: float = 0.0
    compute_seconds: float = 1.0
    name: str = field(default="virtual", init=False)
    kind: Kind = field(default="simulated", init=False)
    _ranks: int = field(default=1, init=False, repr=False)

    def command(self, ranks: int, argv: Sequence[str], *, mpi: bool = False) -> list[str]:
        self._ranks = ranks
        return list(argv)

    def facts(self) -> ClusterFacts:
        asked = {"rate_mbit": self.rate_mbit, "delay_ms": self.delay_ms, "compute_seconds": self.compute_seconds}
        return ClusterFacts(name=self.name, kind=self.kind, hosts=self._ranks, slots=1, asked=asked)
