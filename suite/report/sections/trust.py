"""What is missing, what was run on what, and what words mean."""

from __future__ import annotations

from suite.report.content import Page, Prose, Section
from suite.report.sections import holes, surroundings
from suite.report.sections.experiment import HOME
from suite.report.study import Study

WORDS = (
    "Ceiling: the same training without any communication; its speed is a bound, its model is meaningless.",
    "Control: stock Horovod, as its users have it.",
    "Floor: the least a step can take with that much computing and that much to send.",
    "Work over time: samples of all workers that were used, over the time they took; a job's step is over when the "
    "slowest worker has done it.",
    "Interval: where the truth lies, 95 times of 100, as far as runs of one kind differ from each other.",
)


def page(study: Study) -> Page:
    sections = (
        holes.section(study),
        *([surroundings.section(study)] if study.evidence.records else []),
        Section("words", "Words", tuple(Prose(text) for text in WORDS)),
    )
    summary = f"{len(study.evidence.records)} runs, and everything that speaks against them."
    return Page("pages/trust", "Can I trust these numbers?", summary, sections, home=HOME)
