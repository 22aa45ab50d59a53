"""What the owner of an emulated cluster tells the keeper to build."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

from suite.cluster.emulated.shaping import GOODPUT_SHARE, Shape

TOLERANCE = 0.05  # of the goodput; a cluster further off is refused


@dataclass(frozen=True, kw_only=True)
class Specification:
    owner: tuple[int, int, int]
    folder: str
    hosts: int
    rate_mbit: float | None
    delay_ms: float
    loss: float

    @property
    def shape(self) -> Shape:
        return Shape(rate_mbit=self.rate_mbit, delay_ms=self.delay_ms, loss=self.loss)

    @property
    def goodput_mbit(self) -> float | None:
        """What TCP should get of the rate."""
        return None if self.rate_mbit is None else round(self.rate_mbit * GOODPUT_SHARE, 2)

    def delivers(self, goodput_mbit: float) -> bool:
        return self.goodput_mbit is None or abs(goodput_mbit / self.goodput_mbit - 1) <= TOLERANCE

    def as_argument(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> Self:
        content = json.loads(argument)
        return cls(**content | {"owner": tuple(content["owner"])})  # JSON has no tuples
