"""One page per experiment and kind of evidence: its question, its answer, a picture, a table; the rest is folded."""

from __future__ import annotations

from collections.abc import Iterator

from suite.report.content import Block, Figure, Level, Link, Notice, Page, Prose, Section
from suite.report.sections import convergence, declared, internals, runs, sensitivity, speed, speed_figures
from suite.report.sections.answers.answer import Main
from suite.report.sections.wording import common, compute, ended_early
from suite.report.study import Experiment, Study

HOME = Link("All questions", "report")


def page(experiment: Experiment, study: Study, found: Main) -> Page:
    blocks: list[Block] = [one for one in (found.figure, found.table) if one is not None]
    blocks.append(Prose(_how(experiment, found)))
    if early := ended_early(run.record for arm in experiment.arms for run in arm.runs):
        blocks.append(Notice(Level.HOLE, f"{early}."))
    sections = (Section("main", "In short", tuple(blocks)), *_folds(experiment, study, found))
    name = f"pages/{experiment.slug}"
    return Page(name, title(experiment), found.answer, sections, experiment.kind, HOME)


def title(experiment: Experiment) -> str:
    return experiment.question or f"{experiment.name.replace('-', ' ').capitalize()} (no question was recorded)"


def _folds(experiment: Experiment, study: Study, found: Main) -> Iterator[Section]:
    speeds = speed.table(experiment, study)
    for name, heading, blocks in (
        ("settings", "Every algorithm in every setting", [] if speeds is None else [speeds]),
        ("training", "Training: curves and targets", list(convergence.blocks(experiment))),
        ("speeds", "More pictures of speed", [] if speeds is None else list(_speed_figures(experiment, study))),
        ("inside", "What the optimizers counted", list(internals.blocks(experiment))),
        ("memory", "Memory and bytes", list(declared.blocks(experiment))),
        ("runs", "Every run, with the command that repeats it", [runs.table(experiment)]),
    ):
        kept = tuple(one for one in blocks if not (isinstance(one, Figure) and _same(one, found.figure)))
        if kept:
            yield Section(name, heading, kept, folded=True)


def _same(one: Figure, main: Figure | None) -> bool:
    return main is not None and one.name == main.name


def _speed_figures(experiment: Experiment, study: Study) -> Iterator[Figure]:
    yield from sensitivity.figures(experiment, study)
    yield from speed_figures.speedups(experiment, study)
    yield from speed_figures.decomposition(experiment, study)


def _how(experiment: Experiment, found: Main) -> str:
    shared = common(experiment.groups)
    how = compute(experiment.arms)
    sentences = []
    if shared:
        sentences.append(f"All runs: {shared}.")
    if how:
        sentences.append(f"{how[:1].upper()}{how[1:]}.")
    if found.figure is not None or found.table is not None:
        sentences.append("Brackets hold 95 % intervals; † marks those of a single run, by which nothing is judged.")
    return " ".join(sentences)
