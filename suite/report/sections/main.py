"""Which answer an experiment gets."""

from __future__ import annotations

from suite.report.convergence import converges
from suite.report.sections import recoveries
from suite.report.sections.answers import votes
from suite.report.sections.answers.answer import Main
from suite.report.sections.answers.learning import learning
from suite.report.sections.answers.memory import memory
from suite.report.sections.answers.speed import speed
from suite.report.study import Experiment, Study


def main(experiment: Experiment, study: Study) -> Main:
    faulty = recoveries.faulty(experiment)
    if faulty:
        return Main(recoveries.answer(faulty), table=recoveries.table(experiment, faulty))
    if any(converges(group) for group in experiment.groups):
        return learning(experiment)
    if experiment.arms and all(arm.for_memory for arm in experiment.arms):
        return memory(experiment)
    if votes.asks(experiment):
        return votes.votes(experiment, study)
    return speed(experiment, study)
