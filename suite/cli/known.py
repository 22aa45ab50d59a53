"""What records say of how many samples algorithms need for an accuracy, beside synchronous training of the same setting.

A report's own way: settings are never put together, every algorithm stands at its best learning rate of those that were
tried, ratios are taken seed by seed, and a run that never got there counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from suite.record.schema import Record
from suite.report import evidence, formats
from suite.report.arms import KINDS, Group, groups
from suite.report.convergence import Tuned, ratio, tuned
from suite.report.sections.wording import describe

MOST = 4  # settings; a report has them all


def sentences(records: Iterable[Record], model: str) -> list[str]:
    """A line for each setting in which this net was trained; real ones before simulated ones."""
    of_it = tuple(one for one in records if one.specification.model.name == model and not one.replayed)
    read = evidence.of_records(of_it)
    found = groups(read.records, evidence.environments(read.records), read.disturbed)
    found = tuple(sorted(found, key=lambda one: KINDS.index(one.setting.kind)))
    lines = [line for line in map(_sentence, found) if line]
    if not lines:
        return []
    left = len(lines) - MOST
    further = [f"Of {left} further setting{'s' * (left > 1)} `farandole report` tells."] if left > 0 else []
    return [*lines[:MOST], *further]


def _sentence(group: Group) -> str:
    """To the highest target that all runs of synchronous training reached; empty where nothing stands beside it."""
    found = [one for arm in group.arms for one in [tuned(arm)] if one is not None and arm.role != "ceiling"]
    reference = next((one for one in found if one.arm is group.reference), None)
    others = [one for one in found if one is not reference]
    if reference is None or not others:
        return ""
    target = max((one.target for one in reference.efforts if one.reached == one.runs), default=None)
    if target is None:
        return ""
    parts = "; ".join(f"{one.arm.title} {_beside(one, reference, target)}" for one in others)
    setting = group.setting
    return (
        f"Samples to an accuracy of {formats.share(target)}, times those of synchronous training, each at its best "
        f"learning rate ({setting.kind}, {setting.experiment}: {describe(setting)}): {parts}."
    )


def _beside(one: Tuned, reference: Tuned, target: float) -> str:
    effort = one.effort(target)
    if effort is None:
        return "unknown"
    if effort.reached < effort.runs:
        return f"never in {effort.runs - effort.reached} of {effort.runs}"
    found = ratio(one, reference, target)
    return "unknown" if found is None else formats.around(found, places="ratio")
