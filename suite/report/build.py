"""From evidence to the content of a report. Pure: the same evidence gives the same report."""

from __future__ import annotations

from suite.report.content import Level, Notice, Prose, Report, Section
from suite.report.evidence import Evidence
from suite.report.sections import answer, claims, experiments, holes, surroundings
from suite.report.sections.wording import plural
from suite.report.study import study

TITLE = "Farandole: how should gradients travel?"
WORDS = (
    "Measured: real processes on the machine as it is. Emulated: real processes, but over a shaped network or with "
    "replayed compute (layers that sleep as long as recorded ones took). The two never share a table or a series. "
    "Ceiling: the same training without any communication; its speed is a bound, its model is meaningless. Control: "
    "stock Horovod. Floor: the least a step can take with that much computing and that much to send. A step is over "
    "when the slowest rank has done it."
)


def report(evidence: Evidence) -> Report:
    if not evidence.records:
        return _empty(evidence)
    found = study(evidence)
    sections = (
        answer.section(found),
        claims.section(found),
        *experiments.sections(found),
        holes.section(found),
        surroundings.section(found),
        Section("words", "Words", (Prose(WORDS),)),
    )
    return Report(TITLE, summary(evidence), sections)


def summary(evidence: Evidence) -> str:
    records = evidence.records
    names = sorted({record.experiment for record in records})
    finished = sum(record.finished for record in records)
    first, last = (pick(record.created for record in records).date().isoformat() for pick in (min, max))
    days = first if first == last else f"{first} to {last}"
    return (
        f"{plural(len(records), 'run')} of {plural(len(names), 'experiment')} ({', '.join(names)}), {finished} of them "
        f"finished, recorded {days}."
    )


def _empty(evidence: Evidence) -> Report:
    found = study(evidence)
    text = "No records here: `make bench` (or `farandole bench quick`) makes some."
    blocks = (Notice(Level.HOLE, text.replace("`", "")),)
    sections: tuple[Section, ...] = (Section("answer", "The answer", blocks),)
    if evidence.holes:
        sections += (holes.section(found),)
    return Report(TITLE, "No run could be read, so there is nothing to say yet.", sections)
