"""One section per experiment and kind of evidence."""

from __future__ import annotations

from suite.report.content import Block, Prose, Section
from suite.report.sections import runs, speed
from suite.report.sections.wording import common, compute
from suite.report.study import Experiment, Study


def sections(study: Study) -> tuple[Section, ...]:
    return tuple(section(one, study) for one in study.experiments)


def section(experiment: Experiment, study: Study) -> Section:
    blocks: list[Block] = [Prose(_introduction(experiment))]
    blocks.append(speed.table(experiment, study))
    blocks.append(runs.table(experiment))
    return Section(experiment.slug, experiment.name, tuple(blocks), kind=experiment.kind)


def _introduction(experiment: Experiment) -> str:
    shared = common(experiment.groups)
    how = compute(experiment.arms)
    sentences = [experiment.question or "No question was recorded with this experiment."]
    if shared:
        sentences.append(f"Common to all runs: {shared}.")
    if how:
        sentences.append(f"Emulated: {how}.")
    return " ".join(sentences)
