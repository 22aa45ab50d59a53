"""The page of claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from suite.report import formats
from suite.report.claims.claim import PROVENANCE, Finding, Judgement, Paper, load
from suite.report.claims.judging import RULES, Judged, judge
from suite.report.content import Block, Column, Entry, Points, Prose, Section, Table
from suite.report.sections.wording import plural
from suite.report.study import Study

TONES = {
    Judgement.CONFIRMED: "good",
    Judgement.REFUTED: "bad",
    Judgement.NOT_CONFIRMED: "",
    Judgement.NOT_TESTABLE: "quiet",
}
COLUMNS = (
    Column("claim", "claim"),
    Column("paper", "paper, read in"),
    Column("their_figure", "their figure"),
)
INTRODUCTION = (
    "Verdicts are computed from the records by fixed rules, never typed in. Confirmed: the whole 95 % interval, or most "
    "settings and none against, say what the claim says. Refuted: they say the opposite. Not confirmed: the records are "
    "there and do not decide. Not testable here: there are no records that could. What a claim holds on other hardware, "
    "data or scale is beyond these records."
)


def section(study: Study) -> Section:
    file = load()
    judged = judge(study, file.claim)
    blocks: tuple[Block, ...] = (Prose(INTRODUCTION), Prose(headline(judged)), _table(judged, file.paper))
    return Section("claims", "Claims of the papers", blocks, tuple(_one(one, file.paper) for one in judged))


def headline(judged: tuple[Judged, ...]) -> str:
    counts = Counter(finding.judgement for one in judged for _, finding in one.testable)
    tested = sum(bool(one.testable) for one in judged)
    words = [f"{counts[judgement]} {judgement.value}" for judgement in Judgement if counts[judgement]]
    text = f"{tested} of {plural(len(judged), 'claim')} can be tested with these records"
    *first, last = [kind for kind, _ in judged[0].findings] if judged else ["measured", "emulated"]
    apart = f"{', '.join(first)} and {last} apart"
    return f"{text}. Verdicts, {apart}: {', '.join(words)}." if words else f"{text}."


def _table(judged: tuple[Judged, ...], papers: Mapping[str, Paper]) -> Table:
    rows = []
    for one in judged:
        claim = one.claim
        paper = papers[claim.paper]
        cells = [
            Entry(claim.says, claim.name),
            Entry(f"{paper.cited}, {claim.provenance}", f"{paper.full} ({claim.provenance})"),
            Entry(claim.figure, claim.figure),
        ]
        for _, finding in one.findings:
            cells.append(Entry(finding.judgement.value, finding.judgement.value, TONES[finding.judgement]))
            cells.append(_ours(finding))
        rows.append(tuple(cells))
    kinds = [kind for kind, _ in judged[0].findings] if judged else []
    columns = [*COLUMNS]
    for kind in kinds:
        columns.append(Column(f"verdict_{kind}", f"{kind}: verdict"))
        columns.append(Column(f"figure_{kind}", f"{kind}: our figure, or why none"))
    return Table("claims", "Claims, their figures and ours. Intervals are 95 %.", tuple(columns), tuple(rows))


def _ours(finding: Finding) -> Entry:
    """Our figure; where nothing can be tested, why not."""
    if finding.judgement is not Judgement.NOT_TESTABLE:
        return Entry(finding.figure or formats.DASH, finding.figure)
    why = f"{finding.figure}; {finding.because}" if finding.figure else finding.because
    return Entry(why, why, "quiet")


def _one(judged: Judged, papers: Mapping[str, Paper]) -> Section:
    claim = judged.claim
    rule = " ".join((RULES[claim.rule].__doc__ or "").split())
    items = [
        ("Theirs:", f"{claim.figure} ({papers[claim.paper].full}; {PROVENANCE[claim.provenance]})."),
        ("Tested by:", f"{', '.join(claim.tested_by)}."),
        ("Rule:", rule),
    ]
    if claim.caveat:
        items.append(("Different here:", claim.caveat))
    for kind, finding in judged.findings:
        ours = f" Ours: {finding.figure}." if finding.figure else ""
        items.append((f"{kind.capitalize()}, {finding.judgement.value}:", f"{finding.because}.{ours}"))
    return Section(f"claim-{claim.name}", claim.says, (Points(tuple(items)),), folded=True)
