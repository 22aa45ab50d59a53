"""Which algorithm was fastest in a setting, by how much, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

from suite.report.arms import Arm, Group
from suite.report.measures import Comparison, compare
from suite.report.study import Study
from suite.statistics import Verdict

# The one has a meaningless model, the other nobody to train with: both are there to compare with.
NO_CHOICE = frozenset({"ceiling", "alone"})


@dataclass(frozen=True)
class Winner:
    study: Study
    group: Group
    arm: Arm
    over_reference: Comparison | None
    over_control: Comparison | None
    of_ceiling: Comparison | None
    equals: tuple[Arm, ...]  # not distinguishable from it
    beaten: tuple[Arm, ...]  # found slower, pair by pair

    @property
    def alone(self) -> bool:
        return bool(self.beaten) and not self.equals


def winner(group: Group, study: Study) -> Winner | None:
    """None where fewer than two algorithms that one could choose have been timed, or where nothing tells them apart for
    certain: a winner does not rest on one run."""
    choices = choices_of(group)
    if len(choices) < 2:
        return None
    best = max(choices, key=study.speed)
    equals: list[Arm] = []
    beaten: list[Arm] = []
    for other in choices:
        if other is best:
            continue
        between = compare(best, other)
        if between is None or between.verdict is Verdict.UNKNOWN:
            return None
        (beaten if between.verdict is Verdict.FASTER else equals).append(other)
    found = study.of(best)
    sides = (found.over_reference, found.over_control, found.of_ceiling)
    return Winner(study, group, best, *sides, tuple(equals), tuple(beaten))


def choices_of(group: Group) -> list[Arm]:
    return [arm for arm in group.arms if arm.role not in NO_CHOICE and arm.timed and not arm.for_memory]
