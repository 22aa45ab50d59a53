"""Which runs of two sets asked for the same, and whether they ran on the same kind of machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from suite.record.axes import Use
from suite.record.schema import Record
from suite.report.arms import Run, Setting, setting_of
from suite.report.evidence import Evidence
from suite.report.sections.surroundings import facts

# Two commits are what one compares: the code may differ, and what its digest is made of.
MAY_DIFFER = frozenset({"code"})


@dataclass(frozen=True, eq=False)
class Cell:
    place: Setting  # everything that labels say except what is averaged over
    pairs: tuple[tuple[Run, Run], ...]  # runs that asked for the very same, in order of repetition

    @property
    def timed(self) -> tuple[tuple[Run, Run], ...]:
        return tuple(pair for pair in self.pairs if pair[0].timing is not None and pair[1].timing is not None)

    def finished(self, side: int) -> int:
        return sum(pair[side].record.finished for pair in self.pairs)


@dataclass(frozen=True)
class Matched:
    cells: tuple[Cell, ...]
    only_first: tuple[Setting, ...]
    only_second: tuple[Setting, ...]
    changed: tuple[Setting, ...]  # labelled alike, but specified differently


def match(first: Evidence, second: Evidence) -> Matched:
    ours, theirs = _by_place(first.records), _by_place(second.records)
    cells, changed = [], []
    for place, runs in ours.items():
        if place not in theirs:
            continue
        pairs = _pairs(runs, theirs[place])
        if pairs:
            cells.append(Cell(place, pairs))
        else:
            changed.append(place)
    return Matched(
        tuple(cells),
        tuple(place for place in ours if place not in theirs),
        tuple(place for place in theirs if place not in ours),
        tuple(changed),
    )


def differences(cells: Iterable[Cell]) -> tuple[str, ...]:
    """What sets the machines of the two sets apart: `processor: A in the first, B in the second`."""
    found: list[dict[str, set[str]]] = [{}, {}]
    for cell in cells:
        for pair in cell.pairs:
            for side, run in enumerate(pair):
                for key, text in _machine(run.record).items():
                    found[side].setdefault(key, set()).add(text)
    first, second = found
    if not first or not second:
        return ()  # nobody got far enough to say
    said = []
    for key in sorted(set(first) | set(second)):
        one, other = first.get(key, set()), second.get(key, set())
        if one != other:
            said.append(f"{key}: {_words(one)} in the first, {_words(other)} in the second")
        elif len(one) > 1:
            said.append(f"{key}: {_words(one)} within each")
    return tuple(said)


def _machine(record: Record) -> dict[str, str]:
    merged: dict[str, set[str]] = {}
    for host in record.hosts:
        for key, text in facts(host).items():
            if key not in MAY_DIFFER:
                merged.setdefault(key, set()).add(text)
    return {key: ", ".join(sorted(texts)) for key, texts in merged.items()}


def _by_place(records: Iterable[Record]) -> dict[Setting, list[Run]]:
    found: dict[Setting, list[Run]] = {}
    for record in records:
        place = setting_of(record, {}, Use.CONTENDER, Use.TUNED)
        found.setdefault(place, []).append(Run(record))
    return found


def _pairs(ours: list[Run], theirs: list[Run]) -> tuple[tuple[Run, Run], ...]:
    found = []
    for identity in dict.fromkeys(run.record.identity for run in ours):
        sides = [
            sorted((run for run in runs if run.record.identity == identity), key=lambda run: run.record.repetition)
            for runs in (ours, theirs)
        ]
        found += list(zip(*sides, strict=False))
    return tuple((one, other) for one, other in found)


def _words(texts: set[str]) -> str:
    return " or ".join(sorted(text or "none" for text in texts)) or "not said"
