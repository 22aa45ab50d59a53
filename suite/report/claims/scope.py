"""The part of a study that one claim is judged by: some experiments, one kind of evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from suite.report.arms import Arm, Group
from suite.report.claims.claim import Claim, Select
from suite.report.sections.wording import describe
from suite.report.study import Experiment, Study


@dataclass(frozen=True)
class Scope:
    study: Study
    experiments: tuple[Experiment, ...]

    def groups(self, *, stragglers: bool | None = None) -> Iterator[Group]:
        for experiment in self.experiments:
            for group in experiment.groups:
                if stragglers is None or stragglers == (group.setting.straggler != "none"):
                    yield group


def scope(study: Study, claim: Claim, kind: str) -> Scope:
    return Scope(study, tuple(one for one in study.experiments if one.name in claim.tested_by and one.kind == kind))


def chosen(group: Group, select: Select) -> list[Arm]:
    found = []
    for arm in group.arms:
        specification = arm.runs[0].record.specification.algorithm
        if select.matches(specification.name, dict(specification.options)):
            found.append(arm)
    return found


def place(group: Group) -> str:
    """`network: AlexNet, 2 workers, 400 Mbit/s`."""
    return f"{group.setting.experiment}: {describe(group.setting)}"
