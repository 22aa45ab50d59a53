"""Where the time of a sweep goes: what of it was training, and what the harness took for itself, part by part."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping

from suite.record.rank import Rank, Startup
from suite.record.schema import Record

TRAINING = "training"
OWN = ("network", *Startup.model_fields, "ending")


def shares(record: Record) -> Mapping[str, float] | None:
    """Seconds of a run by part, as the slowest rank had them; None of a run that failed, or took place in virtual time.

    The parts add up to what the run took. On hosts with clocks of their own the launch is part of the ending.
    """
    if (
        record.failed
        or record.kind == "simulated"
        or not record.ranks
        or any(rank.startup is None for rank in record.ranks)
    ):
        return None
    startups = [rank.startup.model_dump() for rank in record.ranks if rank.startup is not None]
    slowest = {name: max(one[name] for one in startups) for name in Startup.model_fields}
    known = {name: 0.0 if math.isnan(seconds) else seconds for name, seconds in slowest.items()}
    training = max(map(_trained_until, record.ranks))
    ending = record.wall_seconds - sum(known.values()) - training
    return {"network": record.network_seconds or 0.0, **known, TRAINING: training, "ending": max(0.0, ending)}


def _trained_until(rank: Rank) -> float:
    """Seconds from the common start of all ranks to the end of this one's last step."""
    return max(
        (steps.started[-1] + steps.seconds[-1] for steps in (rank.warmup, rank.steps) if steps.seconds), default=0.0
    )


def told(records: Iterable[Record]) -> list[str]:
    """A line for each framework: a run's seconds on average."""
    by_framework: dict[str, list[Mapping[str, float]]] = defaultdict(list)
    for record in records:
        if (found := shares(record)) is not None:
            by_framework[record.labels.framework].append(found)
    return [_line(framework, found) for framework, found in sorted(by_framework.items())]


def _line(framework: str, found: list[Mapping[str, float]]) -> str:
    mean = {part: statistics.fmean(one[part] for one in found) for part in (*OWN, TRAINING)}
    own = sum(mean[part] for part in OWN)
    parts = ", ".join(f"{part} {mean[part]:.1f}" for part in OWN)
    return f"Of a {framework} run {mean[TRAINING]:.1f} s were training, {own:.1f} s the harness's: {parts}"
