"""One of the three: a question, a sentence, what it shows, and the numbers in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from suite.report.content import Figure, Level, Link, Notice, Prose, Section
from suite.report.landing.number import Number


@dataclass(frozen=True)
class Picture:
    name: str
    question: str
    sentence: str
    numbers: tuple[Number, ...] = ()
    figure: Figure | None = None
    missing: str = ""  # what evidence is not there, and which command would give it
    shown: tuple[Number, ...] = ()  # what is written into the figure

    def section(self) -> Section:
        return Section(self.name, self.question, tuple(self._blocks()))

    def _blocks(self) -> Iterator[Prose | Notice | Figure]:
        if self.sentence:
            pages = dict.fromkeys((one.page, f"{one.setting.experiment}, {one.setting.kind}") for one in self.numbers)
            several = len(pages) > 1
            links = tuple(Link(f"runs ({name})" if several else "runs", page, "runs") for page, name in pages)
            yield Prose(self.sentence, links)
        if self.figure is not None:
            yield self.figure
        if self.missing:
            yield Notice(Level.HOLE, self.missing)
