"""Which runs were disturbed and are worth another attempt."""

from __future__ import annotations

from collections.abc import Sequence

from suite.disturbance.judging import Quietest
from suite.record.schema import Record

CALMER = 2  # more attempts at runs that were disturbed, at the end of the sweep and where it is resumed, together


def all_disturbed(attempts: Sequence[Record], quietest: Quietest) -> bool:
    """And few enough to try again."""
    disturbed = all(not one.failed and quietest.disturbances(one) for one in attempts)
    return 0 < len(attempts) <= CALMER and disturbed


def restless(recorded: Sequence[Record]) -> set[tuple[str, str, int]]:
    """Keys of the runs of a sweep that are worth another attempt, since nothing but disturbed ones are there."""
    attempts: dict[tuple[str, str, int], list[Record]] = {}
    for record in recorded:
        if not record.failed:
            attempts.setdefault(record.key, []).append(record)
    quietest = Quietest.of(recorded)
    return {key for key, those in attempts.items() if all_disturbed(those, quietest)}
