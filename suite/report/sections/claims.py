"""The page of claims: a line each, by paper, the clearest verdicts first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from suite.report import formats
from suite.report.arms import KINDS
from suite.report.claims.claim import PROVENANCE, File, Finding, Judgement, Paper, load
from suite.report.claims.judging import RULES, Judged, judge
from suite.report.content import Column, Entry, Item, Link, Page, Points, Prose, Section, Table
from suite.report.sections.experiment import HOME
from suite.report.sections.wording import plural
from suite.report.study import Study

NAME = "pages/claims"
SYMBOLS = {
    Judgement.CONFIRMED: ("✓", "good"),
    Judgement.REFUTED: ("✗", "bad"),
    Judgement.NOT_CONFIRMED: ("?", ""),
    Judgement.NOT_TESTABLE: ("–", "quiet"),
}
ORDER = tuple(SYMBOLS)
COLUMNS = (
    Column("claim", "claim"),
    Column("their_figure", "theirs"),
    Column("our_figure", "ours", False, "of the strongest kind of evidence that can tell"),
    Column("apart", "apart", False, "ours less theirs, where theirs is a number"),
    *(Column(kind, kind, False, f"verdict by {kind} records") for kind in KINDS),
)
LEGEND = (
    "✓ confirmed: the whole 95 % interval, or most settings and none against, say what the claim says. ✗ refuted: they say "
    "the opposite. ? not confirmed: the records are there and say neither throughout. – not testable: no records are there "
    "that could. Verdicts are computed by fixed rules, never typed in; what holds on other hardware, data or scale is "
    "beyond these records."
)


def page(study: Study) -> Page:
    file = load()
    judged = judge(study, file.claim)
    sections = (
        Section("legend", "How to read this", (Prose(LEGEND),)),
        *(_paper(name, paper, judged) for name, paper in file.paper.items()),
        _left_out(file),
        Section(
            "details", "Every claim in detail", sections=tuple(_one(one, file.paper[one.claim.paper]) for one in judged)
        ),
    )
    return Page(NAME, "Do the papers' claims hold?", headline(judged), sections, home=HOME)


def headline(judged: tuple[Judged, ...]) -> str:
    tested = [one for one in judged if one.testable]
    counts = Counter(best(one)[1].judgement for one in tested)
    words = [f"{counts[judgement]} {judgement.value}" for judgement in ORDER if counts[judgement]]
    text = f"{len(tested)} of {plural(len(judged), 'claim')} can be tested with these records"
    return f"{text}: {', '.join(words)}." if words else f"{text}."


def best(judged: Judged) -> tuple[str, Finding]:
    """By the clearest verdict; the strongest kind of evidence among equals."""
    return min(judged.findings, key=lambda one: (ORDER.index(one[1].judgement), KINDS.index(one[0])))


def _paper(name: str, paper: Paper, judged: tuple[Judged, ...]) -> Section:
    those = sorted(
        (one for one in judged if one.claim.paper == name), key=lambda one: ORDER.index(best(one)[1].judgement)
    )
    rows = tuple(_row(one) for one in those)
    return Section(name, paper.cited, (Table(f"claims-{name}", paper.full, COLUMNS, rows),))


def _row(judged: Judged) -> tuple[Entry, ...]:
    claim = judged.claim
    _, finding = best(judged)
    told = finding.judgement is not Judgement.NOT_TESTABLE
    by_kind = dict(judged.findings)
    return (
        Entry(claim.line, claim.name, link=_detail(claim.name)),
        Entry(claim.theirs, claim.theirs, exact=claim.figure),
        Entry(
            finding.short if told else formats.DASH,
            finding.figure if told else None,
            exact=finding.figure if told else "",
        ),
        Entry(finding.apart or formats.DASH, finding.apart or None, "" if finding.apart else "quiet"),
        *(_verdict(by_kind.get(kind)) for kind in KINDS),
    )


def _detail(name: str) -> Link:
    return Link("", NAME, f"claim-{name}")


def _verdict(finding: Finding | None) -> Entry:
    judgement = Judgement.NOT_TESTABLE if finding is None else finding.judgement
    symbol, tone = SYMBOLS[judgement]
    return Entry(symbol, judgement.value, tone, exact=judgement.value)


def _left_out(file: File) -> Section:
    columns = (Column("says", "what"), Column("theirs", "published"), Column("corrected", "once it counts"))
    rows = tuple(
        (
            Entry(one.says, one.says, exact=one.source),
            Entry(one.theirs, one.theirs),
            Entry(one.corrected, one.corrected),
        )
        for one in file.left_out
    )
    caption = "What published numbers left out, by their own sources' tables."
    return Section("left-out", "What published numbers left out", (Table("left-out", caption, columns, rows),))


def _one(judged: Judged, paper: Paper) -> Section:
    return Section(f"claim-{judged.claim.name}", judged.claim.says, (Points(tuple(_said(judged, paper))),), folded=True)


def _said(judged: Judged, paper: Paper) -> Iterator[Item]:
    claim = judged.claim
    yield Item("Theirs:", f"{claim.figure} ({paper.full}; {PROVENANCE[claim.provenance]}).")
    yield Item("Tested by:", f"{', '.join(claim.tested_by)}.")
    yield Item("Rule:", " ".join((RULES[claim.rule].__doc__ or "").split()))
    if claim.caveat:
        yield Item("Different here:", claim.caveat)
    for kind, finding in judged.findings:
        ours = f" Ours: {finding.figure}." if finding.figure else ""
        yield Item(f"{kind.capitalize()}, {finding.judgement.value}:", f"{finding.because}.{ours}")
    if best(judged)[1].judgement not in (Judgement.CONFIRMED, Judgement.REFUTED):
        yield Item("To look further:", f"farandole bench, with more seeds or settings: {', '.join(claim.tested_by)}.")
