"""The page of predictions that were sealed before their runs, beside what came of them; none is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from suite.record.sealed import Sealed
from suite.report.charts.specification import Bar, BarPanel, Bars
from suite.report.content import (
    Block,
    Column,
    Entry,
    Figure,
    Item,
    Level,
    Link,
    Notice,
    Page,
    Points,
    Prose,
    Section,
    Table,
)
from suite.report.foretold import Outcome, check, verdict
from suite.report.formats import DASH, milliseconds, number, percent
from suite.report.sections import elsewhere
from suite.report.sections.experiment import HOME
from suite.report.sections.wording import plural
from suite.report.study import Study
from suite.report.words import NAMES

NAME = "pages/predictions"
TITLE = "Do predictions hold?"
LINK = Link("Every prediction", NAME)
LEGEND = (
    "Fitted to records of training on few workers, then written down with a hash of the code, before the runs that test "
    "them. Error: predicted over recorded, less one; below nothing, runs took longer than predicted. Floor: the same of "
    "what bytes need at the stated rate. Line: of a straight line through the fitted records of the same kind, over what "
    "their bytes need."
)
BY_ALGORITHM = (
    Column("algorithm", "algorithm"),
    Column("compared", "kinds of runs", True),
    Column("median_error", "median error", True, "whatever its sign"),
    Column("leaning", "leaning", True, "median with signs: above 0, runs were faster than predicted"),
    Column("largest_error", "largest error", True),
    Column("inside", "inside", True, "runs within their 90 % interval"),
    Column("floor_error", "floor", True, "median error of bytes over the stated rate, whatever its sign"),
    Column("line_error", "line", True, "median error of a straight line, whatever its sign"),
)
EVERY = (
    Column("run", "run"),
    Column("predicted_seconds", "predicted, ms", True, "of a step's worth of work that is used"),
    Column("recorded_seconds", "recorded, ms", True, "mean of the runs"),
    Column("error", "error", True),
    Column("inside", "inside", True, "runs within their 90 % interval"),
    Column("floor_error", "floor", True, detail=True),
    Column("line_error", "line", True, detail=True),
    Column("low_seconds", "from, ms", True, detail=True),
    Column("high_seconds", "to, ms", True, detail=True),
    Column("why_not", "why not", detail=True),
)
EARLY = "recorded before it was sealed, which proves nothing"


def page(study: Study) -> Page:
    evidence = study.evidence
    outcomes = [one for sealed in evidence.sealed for one in check(sealed, evidence.records)]
    compared = [one for one in outcomes if one.error is not None and not one.early]
    blocks: list[Block] = [_picture(compared), _by_algorithm(compared), Prose(LEGEND)] if compared else []
    early = sum(one.early for one in outcomes)
    if early:
        blocks.append(Notice(Level.WARNING, f"{plural(early, 'kind')} of runs {EARLY}: not counted above."))
    far = elsewhere.curves(one.expectation for one in outcomes if not one.observed)
    drawn = {one.identity for those in far.values() for one in those}
    listed = [one for one in outcomes if one.expectation.identity not in drawn]
    sections = (
        *([Section("held", "How far they were off", tuple(blocks))] if blocks else []),
        *([elsewhere.section(far)] if far else []),
        *([Section("every", "Every prediction", (_every(listed),))] if listed else []),
        Section("sealed", "What was sealed, and from what", (Points(tuple(map(_file, evidence.sealed))),)),
    )
    return Page(NAME, TITLE, _answer(outcomes), sections, home=HOME)


def beside(experiment: str, study: Study) -> Section | None:
    """For the experiment's own page, where something of it was sealed and run since."""
    sealed = [one for one in study.evidence.sealed if one.experiment == experiment]
    outcomes = [outcome for one in sealed for outcome in check(one, study.evidence.records)]
    if verdict(outcomes) is None:
        return None
    return Section("foretold", "Was it predicted?", (Prose(_answer(outcomes), (LINK,)),))


def _answer(outcomes: Sequence[Outcome]) -> str:
    found = verdict(outcomes)
    if found is None:
        return f"{plural(len(outcomes), 'kind')} of runs are predicted, and none of them has been run since."
    lines = f", that of straight lines {percent(found.line_median, 1)} (of {plural(found.lines, 'kind')})"
    line = "" if found.line_median is None else lines
    return (
        f"{plural(found.compared, 'kind')} of runs were predicted before they were run: the median error is "
        f"{percent(found.median, 1)}, the largest {percent(found.worst, 1)}, and {percent(found.inside)} of the runs are "
        f"inside their 90 % interval. The median error of the floor is {percent(found.floor_median, 1)}{line}."
    )


def _of(algorithm: str, outcomes: Iterable[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.expectation.algorithm == algorithm]


def _names(outcomes: Iterable[Outcome]) -> list[str]:
    return sorted({one.expectation.algorithm for one in outcomes})


def _errors(outcomes: Iterable[Outcome]) -> list[float]:
    return [one.error for one in outcomes if one.error is not None]


def _picture(compared: Sequence[Outcome]) -> Figure:
    bars = []
    for name in _names(compared):
        ratios = [1 + error for error in _errors(_of(name, compared))]
        bars.append(Bar(NAMES.get(name, name), (median(ratios),), low=min(ratios), high=max(ratios)))
    errors = [abs(error) for error in _errors(compared)]
    return Figure(
        "predictions-held",
        "Predicted over recorded time by algorithm: the median of its kinds of runs as a dot, all of them within the line.",
        f"Predicted over recorded time of {plural(len(bars), 'algorithm')}; the furthest is {percent(max(errors), 1)} off.",
        Bars((BarPanel("", tuple(bars)),), ("speed",), "predicted over recorded", columns=1, dots=True, level=1.0),
    )


def _by_algorithm(compared: Sequence[Outcome]) -> Table:
    rows = []
    for name in _names(compared):
        those = _of(name, compared)
        errors = _errors(those)
        runs = sum(len(one.observed) for one in those)
        rows.append(
            (
                Entry(NAMES.get(name, name), name, exact=name),
                number(len(those), str(len(those))),
                _unsigned(errors),
                _signed(median(errors)),
                _signed(max(errors, key=abs)),
                number(sum(one.inside for one in those) / runs, f"{sum(one.inside for one in those)} of {runs}"),
                _unsigned(one.floor_error for one in those),
                _unsigned(one.line_error for one in those),
            )
        )
    return Table("predictions-by-algorithm", "Errors by algorithm.", BY_ALGORITHM, tuple(rows), folded=len(rows) > 8)


def _every(outcomes: Sequence[Outcome]) -> Table:
    return Table("predictions", "Every kind of run.", EVERY, tuple(map(_row, outcomes)), folded=True)


def _row(one: Outcome) -> tuple[Entry, ...]:
    said = one.expectation
    why = said.not_predicted or ("" if one.observed else "not recorded") or (EARLY if one.early else "")
    return (
        Entry(said.label, said.label),
        number(said.seconds, milliseconds(said.seconds)),
        number(one.recorded, milliseconds(one.recorded)),
        _signed(one.error),
        number(one.inside if one.error is not None else None, f"{one.inside} of {len(one.observed)}"),
        _signed(one.floor_error),
        _signed(one.line_error),
        number(said.low, milliseconds(said.low)),
        number(said.high, milliseconds(said.high)),
        Entry(why or DASH, why or None, "" if why else "quiet"),
    )


def _file(sealed: Sealed) -> Item:
    return Item(f"{sealed.experiment}:", " ".join(_told(sealed)))


def _told(sealed: Sealed) -> Iterator[str]:
    yield f"sealed {sealed.created:%Y-%m-%d %H:%M} UTC, hash {sealed.hash[:16]}, code {sealed.code[:12]}"
    yield f"(commit {sealed.commit[:12]})." if sealed.commit else "(no commit)."
    yield f"It rests on this: {'; '.join(sealed.fitted)}."


def _unsigned(errors: Iterable[float | None]) -> Entry:
    """Their median, whatever their signs."""
    known = [abs(error) for error in errors if error is not None]
    middle = median(known) if known else None
    return number(middle, None if middle is None else percent(middle, 1))


def _signed(error: float | None) -> Entry:
    return number(error, None if error is None else f"{error:+.1%}")
