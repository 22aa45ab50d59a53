"""The first page: three pictures, then every question with its answer, then what there is to know about trust."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from suite.report.content import Block, Item, Level, Link, Notice, Page, Points, Prose, Section
from suite.report.evidence import Evidence
from suite.report.landing import gain, learning, number, weather
from suite.report.landing.number import Number
from suite.report.landing.picture import Picture
from suite.report.sections import elsewhere, foretold
from suite.report.sections.answers.answer import Main
from suite.report.sections.experiment import title
from suite.report.sections.wording import ended_early, plural
from suite.report.study import Experiment, Study

TITLE = "Farandole: how should gradients travel?"
NAME = "report"
SUMMARY = "Workers train one net together. Every way in which their gradients can travel, beside waiting for everyone."
WORDS = (
    "Measured: real processes on the machine as it is. Emulated: real processes over a shaped network, or with layers that "
    "sleep as long as recorded ones took. Simulated: virtual time. The three never share a column. Synchronous: everyone "
    "waits for everyone after each backward. Brackets hold 95 % intervals."
)


def page(study: Study, answers: Sequence[tuple[Experiment, Main]], claims: str) -> Page:
    pictures = (gain.picture(study), learning.picture(study), weather.picture(study))
    sections = (
        Section(
            "answer", "The answer in three pictures", sections=tuple(one.section() for one in pictures), beside=True
        ),
        _questions(answers),
        Section(
            "claims",
            "Do the papers' claims hold?",
            (Prose(claims, (Link("Every claim, by paper", "pages/claims"),)),),
        ),
        *([_predictions(study)] if study.evidence.sealed else []),
        _trust(study, pictures, answers),
    )
    return Page(NAME, TITLE, SUMMARY, sections)


def empty(evidence: Evidence) -> Page:
    blocks: list[Block] = []
    newer = sum(hole.newer for hole in evidence.holes)
    text = "No records here: make bench (or farandole bench quick) makes some."
    if newer:
        text = f"{plural(newer, 'record')} here are of a newer version of farandole: update it, or make your own."
    blocks.append(Notice(Level.HOLE, text))
    if evidence.holes:
        blocks.append(Prose(f"{plural(len(evidence.holes), 'file')} could not be read.", (TRUST,)))
    return Page(
        NAME,
        TITLE,
        "No run could be read, so there is nothing to say yet.",
        (Section("answer", "The answer", tuple(blocks)),),
    )


TRUST = Link("Holes and warnings", "pages/trust", "holes")


def _questions(answers: Sequence[tuple[Experiment, Main]]) -> Section:
    items = tuple(
        Item(title(one), found.answer, Link(one.name, f"pages/{one.slug}"), one.kind) for one, found in answers
    )
    return Section("questions", "Every question, and its answer", (Points(items),))


def _predictions(study: Study) -> Section:
    text = "Predictions that were sealed before their runs stand beside what came of them; none is left out."
    far = elsewhere.said(elsewhere.curves(one for sealed in study.evidence.sealed for one in sealed.expectations))
    return Section("predictions", foretold.TITLE, (Prose(f"{text} {far}".strip(), (foretold.LINK,)),))


def _trust(study: Study, pictures: Sequence[Picture], answers: Sequence[tuple[Experiment, Main]]) -> Section:
    return Section("trust", "Can I trust it?", tuple(_doubts(study, pictures, answers)))


def _doubts(study: Study, pictures: Sequence[Picture], answers: Sequence[tuple[Experiment, Main]]) -> Iterator[Block]:
    records = study.evidence.records
    early = ended_early(records)
    if early or study.evidence.holes:
        words = [early] * bool(early)
        words += [f"{plural(len(study.evidence.holes), 'file')} could not be read"] * bool(study.evidence.holes)
        yield Notice(Level.HOLE, f"{' and '.join(words)}.")
    single = [one.name for one in study.experiments if all(len(arm.timed) == 1 for arm in one.arms if arm.timed)]
    if single:
        names = ", ".join(dict.fromkeys(single))
        text = (
            f"One run of each kind only in {names}: how runs differ is not known there, so nothing is judged by them."
        )
        yield Notice(Level.WARNING, text)
    yield Prose(WORDS)
    experiments = {record.experiment for record in records}
    first, last = (pick(record.created for record in records).date().isoformat() for pick in (min, max))
    days = f"on {first}" if first == last else f"from {first} to {last}"
    links = (
        TRUST,
        Link("Hardware and versions", "pages/trust", "environment"),
        Link("Words", "pages/trust", "words"),
    )
    yield Prose(f"{plural(len(records), 'run')} of {plural(len(experiments), 'experiment')}, recorded {days}.", links)
    numbers: list[Number] = [one for it in pictures for one in (*it.numbers, *it.shown)]
    numbers += [one for _, found in answers for one in found.numbers]
    if numbers:
        yield number.table("numbers", "Where every number of this page comes from", numbers)
