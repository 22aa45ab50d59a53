"""A cluster that is not here: what it would do is predicted, nothing runs on it."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from suite.cluster import presets
from suite.cluster.contract import Cluster, ClusterUnavailableError
from suite.cluster.network import Network, written
from suite.record.part import NonNegative, Positive, PositiveNumber

WHY = "its machines are not here: `farandole predict EXPERIMENT --seal` says what is expected of them"


class ElsewhereNetwork(Network):
    """`{ elsewhere = "10GbE", delay_ms = 0.03, per_host = 4 }`: hosts joined by a preset at its full rate, or by Mbit/s."""

    sign: ClassVar[str | None] = "elsewhere"
    here: ClassVar[bool] = False
    exists: ClassVar[bool] = False

    kind: Literal["elsewhere"] = "elsewhere"
    rate_mbit: PositiveNumber | None = Field(default=None, description="of each host's link in each direction")
    delay_ms: NonNegative = Field(default=0.0, description="of one hop between hosts")
    preset: str | None = Field(default=None, description="where the rate comes from, if it does")
    per_host: Positive = Field(default=1, description="workers that share a host's link")
    hosts: Positive | None = Field(default=None, description="follows from the workers")

    @classmethod
    def spelled_out(cls, table: dict[str, object]) -> dict[str, object]:
        wire = table.pop("elsewhere", None)
        return table if wire is None else ({"preset": wire} if isinstance(wire, str) else {"rate_mbit": wire}) | table

    @field_validator("preset")
    @classmethod
    def _known(cls, preset: str, info: ValidationInfo) -> str:
        return presets.alone(preset, info.data.get("rate_mbit")) if written(info) else preset

    def resolved(self, workers: int) -> Self:
        rate = self.rate_mbit if self.preset is None else presets.find(self.preset).rate_mbit(1.0)
        shape = {"hosts": -(-workers // self.per_host), "rate_mbit": rate}
        return super().resolved(workers).model_copy(update=shape)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.rate_mbit is None and self.preset is None:
            raise ValueError("machines elsewhere need the rate of their network, as a preset or in Mbit/s")
        return self

    def check(self, workers: int) -> None:
        """Hosts follow from the workers; the last may have fewer."""

    def describe(self, workers: int) -> str:
        wire = self.preset or f"{self.rate_mbit:g} Mbit/s"
        return wire + (f", {self.per_host} workers a host" if self.per_host > 1 else "")

    def open(self, workers: int) -> Cluster:
        raise ClusterUnavailableError(WHY)
