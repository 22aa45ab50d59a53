"""From what the ranks wrote to the ranks of a record: columns, and standing still told apart into waiting and wire."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from algorithms.contract import Exchange, Finish, Rounds
from suite.experiment.live import Live
from suite.rank.samples import RankFile, Step
from suite.record.host import Host
from suite.record.rank import Rank, Steps
from suite.record.schema import Evaluation, Reached
from suite.training.evaluation import merged
from suite.training.targets import Point, outcomes


def replicas_agree(live: Live, last_step: int) -> bool:
    """Whether the algorithm promises that all ranks, after that step, have equal parameters to evaluate."""
    made = live.algorithm
    if isinstance(made, Exchange):
        return made.reduces
    if isinstance(made, Rounds) and made.centre(0.0).parameters is None:
        # No centre is kept: what one evaluates is each worker's own copy, equal only when they have just met.
        return made.meets(last_step) and not made.overlap
    return True  # of rounds, the centre; the controls exchange everything or run alone


def last_step(files: Sequence[RankFile]) -> int:
    """Of the rank that came furthest; -1 before the first."""
    return max((file.last_step for file in files if file.last_step is not None), default=-1)


def ranks_of(files: Sequence[RankFile], live: Live) -> tuple[Rank, ...]:
    waits = _waits(files, live)
    return tuple(_rank(file, waits) for file in files)


def hosts_of(files: Sequence[RankFile]) -> tuple[Host, ...]:
    """One fingerprint per host, from the first rank on it that gave one."""
    seen: dict[str, dict[str, Any]] = {}
    for file in files:
        if file.fingerprint is not None:
            seen.setdefault(file.host, dict(file.fingerprint))
    return tuple(
        Host.model_validate(found | {"name": name, "ranks": tuple(file.rank for file in files if file.host == name)})
        for name, found in sorted(seen.items())
    )


def evaluations_of(files: Sequence[RankFile]) -> tuple[Evaluation, ...]:
    """Each rank counted its part; an evaluation is there when all ranks' parts are. Times are the slowest rank's.

    All ranks meet to evaluate, a first time, a second: ranks that go on without the slowest have taken different numbers
    of steps by then. Theirs is the mean; so are the samples of all, which each counted as if the others were as far.
    """
    found = []
    for parts in zip(*(file.evaluations for file in files), strict=False):  # a rank that failed has fewer
        counts = merged(part.counts for part in parts)
        found.append(
            Evaluation(
                step=round(statistics.fmean(part.step for part in parts)),
                samples=round(statistics.fmean(part.seen for part in parts)),
                bytes_sent=parts[0].bytes_sent,
                seconds=max(part.seconds for part in parts),
                wall_seconds=max(part.wall_seconds for part in parts),
                loss=counts.loss,
                top1=counts.top1,
                top5=counts.top5,
            )
        )
    return tuple(found)


def reached_of(evaluations: Sequence[Evaluation], targets: Sequence[float]) -> tuple[Reached, ...]:
    points = [Point(step=one.step, samples=one.samples, seconds=one.seconds, accuracy=one.top1) for one in evaluations]
    bytes_at = {one.step: one.bytes_sent for one in evaluations}
    return tuple(
        Reached(
            target=outcome.target,
            step=outcome.at.step,
            samples=outcome.at.samples,
            bytes_sent=bytes_at[outcome.at.step],
            seconds=outcome.at.seconds,
        )
        for outcome in outcomes(points, targets)
        if outcome.at is not None
    )


def _rank(file: RankFile, waits: dict[tuple[int, int], float]) -> Rank:
    end = file.end or {}
    return Rank(
        rank=file.rank,
        host=file.host,
        process=file.process,
        warmup=_columns(file, [step for step in file.steps if step.warmup], waits),
        steps=_columns(file, [step for step in file.steps if not step.warmup], waits),
        startup=file.startup,
        telemetry=file.telemetry,
        digest=end.get("digest"),
        own_digest=end.get("own_digest"),
        parameter_bytes=file.parameter_bytes,
        memory_peak_bytes=end.get("memory_peak_bytes"),
        memory_steady_bytes=end.get("memory_steady_bytes"),
        device_peak_bytes=end.get("device_peak_bytes"),
        memory_start_bytes=file.memory_start_bytes,
        cpu_seconds=end.get("cpu_seconds"),
        interface_bytes=end.get("interface_bytes"),
        data_wait_seconds=end.get("data_wait_seconds"),
        injected_asked=_asked(file),
        surroundings=file.surroundings,
        happened=file.happened,
        recoveries=file.recoveries,
        complete=file.end is not None,
    )


def _columns(file: RankFile, steps: Sequence[Step], waits: dict[tuple[int, int], float]) -> Steps:
    def column(value: Callable[[Step], float]) -> tuple[float, ...] | None:
        values = tuple(round(value(step), 7) for step in steps)  # as ranks write them; differences had grown new digits
        return None if any(math.isnan(one) for one in values) else values

    def wait(step: Step) -> float:
        return waits.get((file.rank, step.number), math.nan)

    def vote(step: Step) -> float:
        """While a rank is waited for, votes go on: what is left of them when all are ready."""
        waited = wait(step)
        return step.vote if math.isnan(waited) else min(step.vote, step.blocked - waited)

    def exposed(step: Step) -> float:
        return step.blocked - sum(part for part in (wait(step), vote(step)) if not math.isnan(part))

    return Steps(
        started=tuple(step.started for step in steps),
        seconds=tuple(step.seconds for step in steps),
        loss=tuple(step.loss for step in steps),
        compute=column(lambda step: step.compute),
        injected=column(lambda step: step.injected),
        exposed=column(exposed),
        wait=column(wait),
        vote=column(vote),
        update=column(lambda step: step.update),
    )


def _asked(file: RankFile) -> tuple[float, ...] | None:
    asked = tuple(step.asked for step in file.steps if not step.warmup)
    return asked if any(asked) else None


def _waits(files: Sequence[RankFile], live: Live) -> dict[tuple[int, int], float]:
    """(rank, step) -> the part of its standing still that was spent before the last rank had its part of the exchange.

    Only where all ranks meet in every exchange and it is known which step's exchange a rank stands still for; a round
    that goes on without the last ones has no last rank to wait for.
    """
    made, specification = live.algorithm, live.specification
    if isinstance(made, Exchange):
        # A layer-wise forward waits for the step before (a traced function ends when everything has landed, so there
        # the step itself does); a delayed step for the exchange of `delay` steps ago.
        at_start = made.finish is Finish.NEXT_USE and specification.framework == "torch"
        back = 1 if at_start else made.delay
    elif isinstance(made, Rounds) and live.waits_for == specification.workers and made.waits:
        back, at_start = made.overlap, False
    else:
        return {}
    if len(files) < specification.workers or specification.faults is not None:
        return {}
    steps = {(file.rank, step.number): step for file in files for step in file.steps}
    waits = {}
    for (rank, number), step in steps.items():
        peers = [steps.get((file.rank, number - back)) for file in files]
        if math.isnan(step.blocked):
            continue
        if number < back:
            waits[rank, number] = 0.0
            continue
        ready = [_ready(peer) for peer in peers if peer is not None]
        if len(ready) < len(files) or any(math.isnan(one) for one in ready):
            continue
        here = step.started if at_start else _ready(step)
        waits[rank, number] = min(step.blocked, max(0.0, max(ready) - here))
    return waits


def _ready(step: Step) -> float:
    """When its own part of the step was done: what stands still may lie before that only in layer-wise algorithms."""
    return step.started + step.injected + step.compute
