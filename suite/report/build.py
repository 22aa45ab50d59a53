"""From evidence to the content of a report. Pure: the same evidence gives the same report."""

from __future__ import annotations

from dataclasses import replace

from suite.report.content import Page, Report
from suite.report.evidence import Evidence
from suite.report.landing import page as landing
from suite.report.sections import claims, experiment, foretold, trust
from suite.report.sections.answers.answer import Main
from suite.report.sections.main import main
from suite.report.study import Experiment, Study, study


def report(evidence: Evidence) -> Report:
    found = study(evidence)
    if not evidence.records:
        return Report((landing.empty(evidence), *([trust.page(found)] if evidence.holes else [])))
    answers = [(one, main(one, found)) for one in found.experiments]
    judged = claims.page(found)
    return Report(
        (
            landing.page(found, answers, judged.summary),
            *(_page(one, found, answer) for one, answer in answers),
            judged,
            *([foretold.page(found)] if evidence.sealed else []),
            trust.page(found),
        )
    )


def _page(one: Experiment, found: Study, answer: Main) -> Page:
    made = experiment.page(one, found, answer)
    predicted = foretold.beside(one.name, found)
    return made if predicted is None else replace(made, sections=(predicted, *made.sections))
