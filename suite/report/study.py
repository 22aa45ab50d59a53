"""Everything the sections of a report are made from, computed once."""

from __future__ import annotations

from dataclasses import dataclass

from suite.report.arms import KINDS, Arm, Group, groups
from suite.report.evidence import Evidence, environments
from suite.report.measures import Measures, measures


@dataclass(frozen=True)
class Experiment:
    """The groups of one experiment that are of one kind."""

    name: str
    kind: str
    question: str
    groups: tuple[Group, ...]

    @property
    def arms(self) -> tuple[Arm, ...]:
        return tuple(arm for group in self.groups for arm in group.arms)

    @property
    def slug(self) -> str:
        return f"{self.name}-{self.kind}"


@dataclass(frozen=True)
class Study:
    evidence: Evidence
    environments: dict[str, str]
    experiments: tuple[Experiment, ...]
    measured: dict[Arm, Measures]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of evidence that is spoken of: simulated only where there is some."""
        there = {one.kind for one in self.experiments}
        return tuple(kind for kind in KINDS if kind != "simulated" or kind in there)

    def of(self, arm: Arm) -> Measures:
        return self.measured[arm]

    def speed(self, arm: Arm) -> float:
        """Samples a second, to sort by: 0 where nobody knows."""
        found = self.of(arm).samples_per_second
        return 0.0 if found is None else found.value


def study(evidence: Evidence) -> Study:
    names = environments(evidence.records)
    found: dict[tuple[str, str], list[Group]] = {}
    for group in groups(evidence.records, names, evidence.disturbed):
        found.setdefault((group.setting.experiment, group.setting.kind), []).append(group)
    experiments = tuple(_experiment(name, kind, tuple(those)) for (name, kind), those in found.items())
    numbers = {arm: measures(arm, group) for one in experiments for group in one.groups for arm in group.arms}
    return Study(evidence, names, experiments, numbers)


def _experiment(name: str, kind: str, those: tuple[Group, ...]) -> Experiment:
    records = [run.record for group in those for arm in group.arms for run in arm.runs]
    return Experiment(name, kind, max(records, key=lambda one: one.created).question, those)
