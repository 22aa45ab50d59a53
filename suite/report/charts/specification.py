"""What a chart shows, as numbers. Drawing adds nothing to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Numbers = tuple[float, ...]


class Role(StrEnum):
    """What a line or mark is to the reader; each is drawn the same way in every chart."""

    ALGORITHM = "algorithm"
    REFERENCE = "synchronous"
    CONTROL = "stock Horovod (control)"
    CEILING = "no communication (ceiling)"
    FLOOR = "floor"
    IDEAL = "ideal"
    DECLARED = "declared"


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
    y_from_zero: bool = False


@dataclass(frozen=True)
class Lines:
    """Small multiples of lines, row by row; one legend for all."""

    panels: tuple[Panel, ...]
    columns: int = 2
    same_y: bool = True
    narrow: bool = False  # as wide as a telephone


@dataclass(frozen=True)
class Mark:
    """A place on a bar's axis to compare its end with."""

    role: Role
    at: float


@dataclass(frozen=True)
class Bar:
    """Parts one after another, in the order of `Bars.parts`; None is a part that nobody could tell apart."""

    label: str
    parts: tuple[float | None, ...]
    marks: tuple[Mark, ...] = ()
    low: float | None = None  # an interval around the end of the bar
    high: float | None = None


@dataclass(frozen=True)
class BarPanel:
    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Bars:
    """Stacked bars, lying, as small multiples."""

    panels: tuple[BarPanel, ...]
    parts: tuple[str, ...]
    x_title: str
    columns: int = 2
    narrow: bool = False
    dots: bool = False  # the end of each bar as a dot, for values that are not amounts
    level: float | None = None  # a line through all bars


@dataclass(frozen=True)
class CountPanel:
    """Columns side by side at whole numbers: a histogram, or something per rank."""

    title: str
    at: tuple[int, ...]
    parts: tuple[Numbers, ...]  # one row of heights per part, stacked


@dataclass(frozen=True)
class Counts:
    panels: tuple[CountPanel, ...]
    parts: tuple[str, ...]
    x_title: str
    y_title: str
    columns: int = 4
    same_x: bool = True
    narrow: bool = False


@dataclass(frozen=True)
class Cell:
    """Who is best at one place of a map."""

    row: int
    column: int
    gain: str
    label: str
    name: str  # the algorithm's plain name, which decides the colour
    sure: bool


@dataclass(frozen=True)
class MapPanel:
    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Map:
    """Places in rows and columns, coloured by who is best there; who it is and by how much is written in."""

    panels: tuple[MapPanel, ...]
    x_title: str
    narrow: bool = True


Chart = Lines | Bars | Counts | Map


def points(chart: Chart) -> int:
    """How many numbers a chart shows: an empty one should not be drawn."""
    if isinstance(chart, Lines):
        return sum(len(line.x) for panel in chart.panels for line in panel.lines)
    if isinstance(chart, Bars):
        return sum(part is not None for panel in chart.panels for bar in panel.bars for part in bar.parts)
    if isinstance(chart, Map):
        return sum(len(panel.cells) for panel in chart.panels)
    return sum(len(row) for panel in chart.panels for row in panel.parts)
