"""What a report says, before it is HTML, Markdown, CSV or LaTeX: plain data, so that every writer shows the same."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from suite.report.charts.specification import Chart

Value = float | int | str | None


@dataclass(frozen=True)
class Link:
    text: str
    page: str  # the name of a page of the report
    anchor: str = ""  # a section, table or figure on it


@dataclass(frozen=True)
class Entry:
    """One place in a table: what people read, and the number or word that machines sort and export."""

    text: str
    value: Value = None
    tone: str = ""  # "good", "bad", "hole" or "quiet"
    note: str = ""
    code: bool = False
    exact: str = ""  # what programs call it, one hover away
    link: Link | None = None


@dataclass(frozen=True)
class Column:
    key: str  # heading in CSV files
    title: str
    numeric: bool = False
    help: str = ""
    detail: bool = False  # in the fold of its row instead of beside the others, so that no table is too wide


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
    links: tuple[Link, ...] = ()  # after the text


@dataclass(frozen=True)
class Item:
    lead: str  # shown bold, may be empty
    text: str
    link: Link | None = None  # where there is one, the lead leads there
    kind: str = ""  # of evidence


@dataclass(frozen=True)
class Points:
    items: tuple[Item, ...]


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
    beside: bool = False  # its sections stand beside each other where there is room

    def walk(self) -> Iterator[Section]:
        yield self
        for section in self.sections:
            yield from section.walk()


@dataclass(frozen=True)
class Page:
    """One file; its title is the question, its summary the answer."""

    name: str  # its place below the report's folder, without an ending
    title: str
    summary: str
    sections: tuple[Section, ...] = ()
    kind: str = ""
    home: Link | None = None  # the page that one comes from

    def walk(self) -> Iterator[Section]:
        for section in self.sections:
            yield from section.walk()

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(block for section in self.walk() for block in section.blocks if isinstance(block, Table))

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(block for section in self.walk() for block in section.blocks if isinstance(block, Figure))


@dataclass(frozen=True)
class Report:
    """Its first page is the one to open."""

    pages: tuple[Page, ...]

    @property
    def landing(self) -> Page:
        return self.pages[0]

    def walk(self) -> Iterator[Section]:
        for page in self.pages:
            yield from page.walk()

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(table for page in self.pages for table in page.tables)

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(figure for page in self.pages for figure in page.figures)


def address(link: Link, page: Page, ending: str) -> str:
    """Relative, so that a folder of pages works from wherever it lies."""
    if link.page == page.name:
        return f"#{link.anchor}"
    place = posixpath.relpath(link.page, posixpath.dirname(page.name) or ".") + ending
    return f"{place}#{link.anchor}" if link.anchor else place
