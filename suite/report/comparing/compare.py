"""`compare A B`: matched, judged, and as content that every writer can write."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.record.axes import Use
from suite.record.axes import axes as axes_of
from suite.report import evidence as reading
from suite.report import formats, words
from suite.report.charts.drawing import draw
from suite.report.charts.specification import Bar, BarPanel, Bars
from suite.report.comparing.matching import Matched, differences, match
from suite.report.comparing.verdicts import Change, Outcome, judge
from suite.report.content import Block, Column, Entry, Figure, Level, Notice, Page, Prose, Section, Table
from suite.report.evidence import Evidence, Hole
from suite.report.sections.wording import SETTING, column, describe, entry, plural, varying
from suite.report.writers import markdown
from suite.report.writers import page as html

OK, WORSE = 0, 1
MOST_ROWS, MOST_DOTS = 8, 20
HOW = (
    "Times are of the second set over the first: above 1 it is slower. The chance that any cell is called slower or less "
    "accurate although nothing changed is at most {false_alarm:.3g} for all cells together (paired t tests on runs, Holm's "
    "correction; tolerated slowdown {tolerance:.3g}). That rests on runs of the two sets being alike but for what is "
    "compared: a machine that was busier during one of them makes it slower in earnest. A cell is one algorithm in one "
    "setting."
)
BETTER = (Change.FASTER, Change.MORE_ACCURATE, Change.MENDED)
TONES = {
    Change.SLOWER: "bad",
    Change.LESS_ACCURATE: "bad",
    Change.BROKEN: "hole",
    Change.FASTER: "good",
    Change.MORE_ACCURATE: "good",
    Change.MENDED: "good",
}


class CompareError(ValueError):
    """The two sets cannot be compared; one line."""


@dataclass(frozen=True)
class Comparison:
    outcomes: tuple[Outcome, ...]
    page: Page

    @property
    def worse(self) -> tuple[Outcome, ...]:
        return tuple(one for one in self.outcomes if one.worse)

    @property
    def exit_code(self) -> int:
        """0: nothing is worse; 1: something is."""
        return WORSE if self.worse else OK

    @property
    def text(self) -> str:
        """Markdown, readable on a terminal."""
        return markdown.write(self.page)

    @property
    def html(self) -> str:
        """One page that needs nothing else."""
        return html.write(self.page, {one.name: draw(one.name, one.chart, one.alt).inline for one in self.page.figures})


def compare(
    first: Path,
    second: Path,
    *,
    across_environments: bool = False,
    false_alarm: float = 0.05,
    tolerance: float = 0.0,
    experiment: str | None = None,
) -> Comparison:
    """Records of `second` beside those of `first`. Raises CompareError (a ValueError) where that makes no sense.

    `false_alarm`: the highest chance that `exit_code` is 1 because of slower or less accurate cells although nothing
    changed. `tolerance`: how much slower, as a share, is still all right.
    """
    sets = []
    for folder in (first, second):
        try:
            found = reading.read(folder, experiment)
        except reading.EvidenceError as error:
            raise CompareError(str(error)) from error
        if not found.records:
            raise CompareError(f"{folder}: no records" + (f" of experiment {experiment!r}" if experiment else ""))
        sets.append(found)
    return compare_evidence(
        sets[0], sets[1], across_environments=across_environments, false_alarm=false_alarm, tolerance=tolerance
    )


def compare_evidence(
    first: Evidence, second: Evidence, *, across_environments: bool, false_alarm: float, tolerance: float
) -> Comparison:
    matched = match(first, second)
    if not matched.cells:
        raise CompareError("the two sets have no run in common: nothing in both asked for the same")
    apart = differences(matched.cells)
    if apart and not across_environments:
        some = "; ".join(apart[:3]) + (f"; and {len(apart) - 3} more" if len(apart) > 3 else "")
        raise CompareError(f"different environments ({some}); --across-environments compares them all the same")
    outcomes = judge(matched.cells, false_alarm=false_alarm, tolerance=tolerance)
    page = _page(outcomes, matched, apart, (*first.holes, *second.holes), false_alarm, tolerance)
    return Comparison(outcomes, page)


def _page(
    outcomes: Sequence[Outcome],
    matched: Matched,
    apart: Sequence[str],
    holes: Sequence[Hole],
    false_alarm: float,
    tolerance: float,
) -> Page:
    blocks: list[Block] = [Prose(HOW.format(false_alarm=false_alarm, tolerance=tolerance))]
    few = sum(Change.UNKNOWN in one.changes for one in outcomes)
    if few:
        text = (
            f"{plural(few, 'cell')} with a single pair of runs or none: never called slower. Repeat runs to judge them."
        )
        blocks.append(Notice(Level.WARNING, text))
    if apart:
        blocks.append(Notice(Level.WARNING, f"Different environments: {'; '.join(apart)}."))
    for places, what in (
        (matched.only_first, "only in the first set"),
        (matched.only_second, "only in the second set"),
        (matched.changed, "labelled alike, but specified differently"),
    ):
        if places:
            names = ", ".join(f"{one.experiment} {one.contender}" for one in places[:6])
            more = f" and {len(places) - 6} more" if len(places) > 6 else ""
            blocks.append(Notice(Level.HOLE, f"{plural(len(places), 'cell')} {what}: {names}{more}."))
    if holes:
        files = ", ".join(hole.file for hole in holes[:6])
        blocks.append(Notice(Level.HOLE, f"{plural(len(holes), 'file')} could not be read: {files}."))
    figure = _figure(outcomes)
    short = outcomes if len(outcomes) <= MOST_ROWS else sorted(outcomes, key=_weight)[:MOST_ROWS]
    first: list[Block] = [] if figure is None else [figure]
    first.append(_table("short", short, "What changed most first.", false_alarm))
    sections = [Section("short", "In short", tuple(first)), Section("doubts", "How sure is this?", tuple(blocks))]
    if len(outcomes) > MOST_ROWS:
        every = _table("cells", outcomes, "Everything that both sets ran.", false_alarm)
        sections.append(Section("cells", "Everything", (every,), folded=True))
    return Page(
        "comparison",
        "Is the second set of runs slower or less accurate than the first?",
        _answer(outcomes),
        tuple(sections),
    )


def _answer(outcomes: Sequence[Outcome]) -> str:
    """`Yes: 2 of 7 are, ...`, with the worst one in numbers."""
    worse = [one for one in outcomes if one.worse]
    better = [one for one in outcomes if not one.worse and any(change in BETTER for change in one.changes)]
    cells = plural(len(outcomes), "cell")
    if worse:
        worst = max(worse, key=lambda one: one.time.value if one.time is not None else math.inf)
        said = f"Yes: worse in {len(worse)} of {cells}. Worst: {title(worst)}, {_change(worst)}."
    else:
        said = f"No: nothing found worse in {cells}."
    if better:
        best = min(better, key=lambda one: one.time.value if one.time is not None else math.inf)
        said += f" Better in {len(better)}, most of all {title(best)}, {_change(best)}."
    return said


def _change(one: Outcome) -> str:
    said = [change.value for change in one.changes]
    if one.time is not None:
        said.append(f"{formats.around(one.time, places='ratio')} times as long a step")
    return ", ".join(said)


def title(one: Outcome) -> str:
    return words.algorithm(one.cell.pairs[0][0].record)


def _weight(one: Outcome) -> tuple[bool, float]:
    return (not one.worse, -abs(math.log(one.time.value)) if one.time is not None else 0.0)


def _figure(outcomes: Sequence[Outcome]) -> Figure | None:
    """A dot per cell with its interval; in a picture of many, those that changed most."""
    timed = sorted((one for one in outcomes if one.time is not None), key=_weight)[:MOST_DOTS]
    if not timed:
        return None
    axes = varying([one.cell.place for one in outcomes], SETTING)
    bars = []
    for one in timed:
        if one.time is not None:
            place = describe(one.cell.place, axes)
            known = one.time.decides and one.time.low > 0 and one.time.high < 20 * one.time.value
            low, high = (one.time.low, one.time.high) if known else (None, None)
            bars.append(Bar(f"{title(one)}{f', {place}' if place else ''}", (one.time.value,), (), low, high))
    return Figure(
        "comparison",
        "Time of a step in the second set over the first, with 95 % intervals: right of the line the second is slower."
        + (f" The {MOST_DOTS} that changed most." if len(outcomes) > MOST_DOTS else ""),
        f"Time of a step, second over first, for {plural(len(bars), 'cell')}. {_answer(outcomes)}",
        Bars((BarPanel("", tuple(bars)),), ("speed",), "time, second / first", columns=1, dots=True, level=1.0),
    )


def _table(name: str, outcomes: Sequence[Outcome], what: str, false_alarm: float) -> Table:
    places = [one.cell.place for one in outcomes]
    axes = (*varying(places, SETTING), *varying(places, axes_of(Use.TUNED)))
    columns = (
        Column("algorithm", "algorithm"),
        Column("experiment", "experiment", detail=True),
        Column("kind", "kind", detail=True),
        *(column(axis) for axis in axes),
        Column("pairs", "pairs", True, "pairs of runs with times", detail=True),
        Column("time", "time, second / first", True, "single 95 % intervals, not corrected for the number of cells"),
        Column(
            "detectable", "would be found", True, "smallest change that so many runs find 4 times of 5", detail=True
        ),
        Column("accuracy", "accuracy, points", True, "second less first"),
        Column("change", "verdict"),
    )
    ordered = sorted(outcomes, key=lambda one: not one.worse)
    rows = tuple(_row(one, axes) for one in ordered)
    return Table(name, f"{what} Verdicts at a false-alarm rate of {false_alarm:.3g} for all cells.", columns, rows)


def _row(one: Outcome, axes: Sequence[str]) -> tuple[Entry, ...]:
    place = one.cell.place
    gain = one.accuracy
    points = None if gain is None else f"{100 * gain.value:+.2f}"
    tone = next((TONES[change] for change in one.changes if change in TONES), "quiet")
    said = ", ".join(change.value for change in one.changes)
    return (
        Entry(title(one), place.contender, exact=place.contender),
        Entry(place.experiment, place.experiment),
        Entry(place.kind, place.kind),
        *(entry(place, axis) for axis in axes),
        Entry(str(len(one.cell.timed)), len(one.cell.timed)),
        formats.number(None if one.time is None else one.time.value, formats.around(one.time, places="ratio")),
        formats.number(one.detectable, None if one.detectable is None else f"{one.detectable:.1%}"),
        formats.number(None if gain is None else 100 * gain.value, points),
        Entry(said, said, tone),
    )
