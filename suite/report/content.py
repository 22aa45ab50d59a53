"""What a report says, before it is HTML, Markdown, CSV or LaTeX: plain data, so that every writer shows the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from suite.report.charts.specification import Chart

Value = float | int | str | None


@dataclass(frozen=True)
class Entry:
    """One place in a table: what people read, and the number or word that machines sort and export."""

    text: str
    value: Value = None
    tone: str = ""  # "good", "bad", "hole" or "quiet"
    note: str = ""
    code: bool = False


@dataclass(frozen=True)
class Column:
    key: str  # heading in CSV files
    title: str
    numeric: bool = False
    help: str = ""


@dataclass(frozen=True)
class Table:
    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    folded: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.name}: a row of {len(row)} entries under {len(self.columns)} columns")


@dataclass(frozen=True)
class Figure:
    name: str
    caption: str
    alt: str
    chart: Chart


@dataclass(frozen=True)
class Prose:
    text: str


@dataclass(frozen=True)
class Points:
    """A list; each item is a lead (shown bold, may be empty) and a sentence."""

    items: tuple[tuple[str, str], ...]


class Level(StrEnum):
    HOLE = "hole"  # something that was asked for is not there
    WARNING = "warning"  # it is there, but with a doubt
    NOTE = "note"


@dataclass(frozen=True)
class Notice:
    level: Level
    text: str


Block = Prose | Points | Notice | Table | Figure


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
    kind: str = ""  # "measured", "emulated" or "simulated", where all of it is one of them
    folded: bool = False

    def walk(self) -> Iterator[Section]:
        yield self
        for section in self.sections:
            yield from section.walk()


@dataclass(frozen=True)
class Report:
    title: str
    summary: str
    sections: tuple[Section, ...] = field(default=())

    def walk(self) -> Iterator[Section]:
        for section in self.sections:
            yield from section.walk()

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(block for section in self.walk() for block in section.blocks if isinstance(block, Table))

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(block for section in self.walk() for block in section.blocks if isinstance(block, Figure))
