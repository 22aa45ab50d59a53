"""One section per experiment and kind of evidence."""

from __future__ import annotations

from collections.abc import Iterator

from suite.report.content import Block, Prose, Section
from suite.report.sections import convergence, declared, internals, runs, sensitivity, speed, speed_figures
from suite.report.sections.wording import common, compute
from suite.report.study import Experiment, Study


def sections(study: Study) -> tuple[Section, ...]:
    return tuple(section(one, study) for one in study.experiments)


def section(experiment: Experiment, study: Study) -> Section:
    title = experiment.name.replace("-", " ").capitalize()
    return Section(experiment.slug, title, tuple(_blocks(experiment, study)), kind=experiment.kind)


def _blocks(experiment: Experiment, study: Study) -> Iterator[Block]:
    yield Prose(_introduction(experiment))
    yield from convergence.blocks(experiment)
    speeds = speed.table(experiment, study)
    if speeds is not None:
        yield from sensitivity.figures(experiment, study)
        # Against workers or rates, lines say the same with less ink.
        if not (sensitivity.has_workers(experiment) or sensitivity.has_rates(experiment)):
            yield from speed_figures.speedups(experiment, study)
        yield speeds
        yield from speed_figures.decomposition(experiment, study)
    yield from internals.blocks(experiment)
    yield from declared.blocks(experiment)
    yield runs.table(experiment)


def _introduction(experiment: Experiment) -> str:
    shared = common(experiment.groups)
    how = compute(experiment.arms)
    sentences = [experiment.question or "No question was recorded with this experiment."]
    if shared:
        sentences.append(f"Common to all runs: {shared}.")
    if how:
        sentences.append(f"Emulated: {how}.")
    return " ".join(sentences)
