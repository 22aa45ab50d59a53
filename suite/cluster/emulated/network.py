"""What may be asked of emulated hosts."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from suite.cluster import presets
from suite.cluster.emulated.cluster import Emulated
from suite.cluster.network import Network, written
from suite.record.part import Kind, NonNegative, Positive, PositiveNumber, Share


class EmulatedNetwork(Network):
    """`{ rate_mbit = 400 }` or `{ preset = "1GbE", scale = 0.4 }`; one host per worker unless `hosts` says otherwise."""

    evidence: ClassVar[Kind] = "emulated"
    owns: ClassVar[str | None] = "shapes an emulated network"

    kind: Literal["emulated"] = "emulated"
    hosts: Positive | None = Field(default=None, description="the ranks are spread over them evenly")
    rate_mbit: PositiveNumber | None = None
    delay_ms: NonNegative = 0.0
    loss: Share = 0.0
    preset: str | None = Field(default=None, description="where the rate comes from, if it does")
    scale: PositiveNumber | None = Field(
        default=None, description="of the preset's rate; the presets' common one if unset"
    )

    @field_validator("preset")
    @classmethod
    def _sets_the_rate(cls, preset: str, info: ValidationInfo) -> str:
        return presets.alone(preset, info.data.get("rate_mbit")) if written(info) else preset

    @model_validator(mode="after")
    def _complete(self, info: ValidationInfo) -> Self:
        if not written(info):
            return self
        if self.scale is not None and self.preset is None:
            raise ValueError("scale scales a preset; without one, write the rate_mbit you mean")
        if self.rate_mbit is None and self.preset is None:
            raise ValueError("an emulated network needs rate_mbit or preset")
        return self

    def resolved(self, workers: int) -> Self:
        rate, scale = self.rate_mbit, self.scale
        if self.preset is not None:
            scale = presets.SCALE if scale is None else scale
            rate = presets.find(self.preset).rate_mbit(scale)
        shape = {"hosts": self.hosts or workers, "rate_mbit": rate, "scale": scale}
        return super().resolved(workers).model_copy(update=shape)

    def check(self, workers: int) -> None:
        if self.hosts is None or self.rate_mbit is None:
            raise ValueError("an emulated network of a run needs hosts and rate_mbit")
        super().check(workers)

    def describe(self, workers: int) -> str:
        """Hosts only if there is not one per worker."""
        if self.preset is not None and self.scale is not None:
            text = f"{self.preset} x {Fraction(self.scale).limit_denominator(1000)}"
        else:
            text = f"{self.rate_mbit:g} Mbit/s"
        text += f", {self.delay_ms:g} ms" if self.delay_ms else ""
        text += f", {self.loss:.3%} loss" if self.loss else ""
        return text if self.hosts == workers else f"{self.hosts} hosts, {text}"

    def open(self, workers: int) -> Emulated:
        hosts = self.hosts or workers
        return Emulated(
            hosts=hosts,
            slots=-(-workers // hosts),
            rate_mbit=self.rate_mbit,
            delay_ms=self.delay_ms,
            loss=self.loss,
            preset=self.preset,
            scale=self.scale,
        )
