"""What a chart shows, as numbers. Drawing adds nothing to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Numbers = tuple[float, ...]


class Role(StrEnum):
    """What a series is to the reader."""

    ALGORITHM = "algorithm"
    REFERENCE = "reference"  # synchronous
    CONTROL = "control"  # stock Horovod
    CEILING = "ceiling"  # no communication
    FLOOR = "floor"
    IDEAL = "ideal"


@dataclass(frozen=True)
class Line:
    label: str
    x: Numbers
    y: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    role: Role = Role.ALGORITHM
    name: str = ""  # the algorithm's plain name, which decides the colour

    def __post_init__(self) -> None:
        for column in (self.y, self.low, self.high):
            if column is not None and len(column) != len(self.x):
                raise ValueError(f"line {self.label}: {len(column)} values for {len(self.x)} places")


@dataclass(frozen=True)
class Panel:
    title: str
    lines: tuple[Line, ...]
    x_title: str
    y_title: str
    x_log: bool = False
    y_log: bool = False
    x_ticks: tuple[tuple[float, str], ...] = ()
    level: float | None = None  # a horizontal line to compare with
    y_from_zero: bool = False


@dataclass(frozen=True)
class Lines:
    """Small multiples of lines, row by row; one legend for all."""

    panels: tuple[Panel, ...]
    columns: int = 2
    same_y: bool = True


@dataclass(frozen=True)
class Bar:
    """One bar of a panel: parts on top of each other, in the order of `Bars.parts`; None is a part that is not known."""

    label: str
    parts: tuple[float | None, ...]
    marks: tuple[tuple[Role, float], ...] = ()


@dataclass(frozen=True)
class BarPanel:
    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Bars:
    """Horizontal stacked bars, as small multiples."""

    panels: tuple[BarPanel, ...]
    parts: tuple[str, ...]
    x_title: str
    columns: int = 1


Chart = Lines | Bars
