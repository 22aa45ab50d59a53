"""What a record tells such a tool: settings by name, and numbers by name along the steps."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from suite.record.outcome import Failed
from suite.record.rank import Steps
from suite.record.recovery import recovered
from suite.record.schema import Record

Setting = bool | int | float | str
PARTS = ("loss", "seconds", "compute", "injected", "exposed", "wait", "vote", "update")


@dataclass(frozen=True)
class Point:
    """Numbers of one step, counted from the first of the warm-up, `seconds` after it began."""

    step: int
    seconds: float
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Story:
    """One run. `created` and `ended` are seconds since 1970."""

    experiment: str
    name: str
    identity: str
    created: float
    ended: float
    finished: bool
    tags: Mapping[str, str]
    settings: Mapping[str, Setting]
    points: tuple[Point, ...]
    summary: Mapping[str, float]


def tell(record: Record) -> Story:
    labels = record.labels
    name = f"{labels.framework} {labels.model} {labels.contender}, {labels.workers} workers, {labels.network}"
    created = record.created.timestamp()
    tags = {
        "kind": record.kind,
        "status": record.outcome.status,
        "environment": record.environment,
        "command": record.command,
    }
    if isinstance(record.outcome, Failed):
        tags["reason"] = record.outcome.reason.value
    return Story(
        experiment=record.experiment,
        name=f"{name} ({record.identity[:8]}-r{record.repetition}-a{record.attempt})",
        identity=f"{record.identity[:16]}-r{record.repetition}-a{record.attempt}",
        created=created,
        ended=created + record.wall_seconds,
        finished=record.finished,
        tags=tags,
        settings=dict(_flat(record.specification.model_dump(mode="json"))),
        points=(*_steps(record), *_evaluations(record)),
        summary=_summary(record),
    )


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Setting]]:
    """`{"model": {"name": "alexnet"}}` as `model.name`; lists as text; what is not set is left out."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield f"{before}{name}", ", ".join(map(str, value))
        elif value is not None:
            yield f"{before}{name}", value


def _steps(record: Record) -> Iterator[Point]:
    """Means over the ranks that took the step, warm-up first. What is no number (a loss that diverged) is left out."""
    first = 0
    for phase, columns in (("warmup", [r.warmup for r in record.ranks]), ("train", [r.steps for r in record.ranks])):
        for index in range(max((len(one.seconds) for one in columns), default=0)):
            took = [one for one in columns if index < len(one.seconds)]
            numbers = {f"{phase}/{part}": mean for part in PARTS if (mean := _mean(took, part, index)) is not None}
            yield Point(first + index, max(one.started[index] + one.seconds[index] for one in took), numbers)
        first += max((len(one.seconds) for one in columns), default=0)


def _mean(ranks: list[Steps], part: str, index: int) -> float | None:
    columns = [getattr(one, part) for one in ranks]
    values = [column[index] for column in columns if column is not None]
    return statistics.fmean(values) if values and all(map(math.isfinite, values)) else None


def _evaluations(record: Record) -> Iterator[Point]:
    for one in record.evaluations:
        numbers = {"loss": one.loss, "top1": one.top1, "top5": one.top5, "samples": one.samples}
        named = {f"evaluation/{name}": float(value) for name, value in numbers.items() if value is not None}
        yield Point(one.step, one.wall_seconds, {name: value for name, value in named.items() if math.isfinite(value)})


def _summary(record: Record) -> dict[str, float]:
    """What was counted: sums over ranks, the most where a sum has no meaning."""
    counted = [rank.telemetry for rank in record.ranks if rank.telemetry is not None]
    found = {"wall_seconds": record.wall_seconds}
    if counted:
        found |= {
            "rounds": max(one.rounds for one in counted),
            "bytes_sent": sum(one.bytes_sent for one in counted),
            "contributions_used": sum(one.contributions_used for one in counted),
            "contributions_dropped": sum(one.contributions_dropped for one in counted),
            "exposed_seconds": max(one.exposed_seconds for one in counted),
        }
        ages = [item for one in counted for item in one.staleness.items()]
        if ages:
            found["staleness_mean"] = sum(age * count for age, count in ages) / sum(count for _, count in ages)
    change = recovered(record)
    if change is not None:
        found |= {"recover_seconds": change.seconds, "samples_lost": change.samples_lost}
    return {f"total/{name}": float(value) for name, value in found.items()}
