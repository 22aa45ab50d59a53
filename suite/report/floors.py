"""The least a step of an algorithm can take: computing, and sending what has to be sent over the rate that was there.

Where an exchange can hide behind computation the floor is the longer of the two; where training stands still for it, their
sum; where it may travel beside some of the steps from one exchange to the next, training stands still for what is left.
It is a mean, as speeds are: over a period, and over the delays that stragglers were asked for. It is a bound, not a
forecast: no latency, no cost of negotiation is in it, and of waiting only what the algorithm cannot do without.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from suite.report.arms import Arm, Group, Run
from suite.report.timing import useful_share


@dataclass(frozen=True)
class Floor:
    compute: float
    wire: float | None  # None: nobody knows the rate of the network
    hiding: float  # the share of computing beside which an exchange may travel

    @property
    def seconds(self) -> float | None:
        if self.wire is None:
            return None
        return self.compute + max(0.0, self.wire - self.hiding * self.compute)

    @property
    def ceiling(self) -> float | None:
        """The most that any algorithm sending as much could gain over one that stands still for all of it."""
        return None if self.wire is None else (self.compute + self.wire) / max(self.compute, self.wire)


def floor(arm: Arm, group: Group) -> Floor | None:
    """None where nothing tells how long computing alone takes, or what kind of algorithm it is."""
    compute = computing(arm, group)
    if compute is None or not arm.finished or arm.facts is None:
        return None
    return Floor(compute, wire(arm), 1.0 if arm.facts.hides else (arm.facts.beside or 0) / arm.facts.every)


def computing(arm: Arm, group: Group) -> float | None:
    """What the profile says where compute is replayed, stragglers included; else a step without any communication."""
    replay = arm.runs[0].record.specification.model.replay
    if replay is not None and replay.forward is not None and replay.backward is not None:
        compute = replay.forward + replay.backward
        if group.setting.straggler == "none":
            return compute
        found = [_slowed(run, compute) for run in arm.finished]
        known = [one for one in found if one is not None]
        return float(np.mean(known)) if known and len(known) == len(found) else None
    ceiling = group.ceiling
    if ceiling is None or group.setting.straggler != "none" or not ceiling.timed:
        return None
    return float(np.mean([run.timing.seconds for run in ceiling.timed if run.timing is not None]))


def _slowed(run: Run, compute: float) -> float | None:
    """Seconds per step of the job with the delays that were asked for, waiting as long as the algorithm has to."""
    record = run.record
    asked = [rank.injected_asked for rank in record.ranks]
    count = min((len(one) for one in asked if one), default=0)
    if not count:
        return None  # a quota: nobody was asked to sleep
    steps = compute + np.array([one[:count] if one else (0.0,) * count for one in asked])
    facts = run.facts
    if facts is None:
        return None
    if facts.drops_late:
        # As many steps are computed in a round as its quorum and what is dropped beside it.
        computed = facts.waits_for / useful_share(record.ranks)
        return float(np.sort(steps, axis=0)[facts.waits_for - 1].mean()) * len(steps) / computed
    if facts.waits_for < len(steps):
        # What it waits for beyond its own pace is not in the floor.
        return len(steps) / float((1 / steps.mean(axis=1)).sum())
    period = facts.every if facts.every <= count else 1
    whole = steps[:, : count // period * period].reshape(len(steps), -1, period).sum(axis=2)
    return float(whole.max(axis=0).mean()) / period


def wire(arm: Arm) -> float | None:
    found = [_wire(run) for run in arm.finished]
    known = [one for one in found if one is not None]
    return float(np.median(known)) if len(known) == len(found) and known else None


def bytes_per_step(run: Run) -> float | None:
    """What one rank must send per step of the job, as the algorithm declares it."""
    record = run.record
    if (run.facts is not None and run.facts.silent) or record.specification.workers == 1:
        return 0.0
    counted = [rank.telemetry for rank in record.ranks if rank.telemetry is not None]
    size = record.ranks[0].parameter_bytes if record.ranks else None
    workers = record.specification.workers
    if run.facts is not None and run.facts.role == "peer" and size is not None:
        return 2 * (workers - 1) / workers * size  # it declares nothing; a ring of all gradients, every step
    declared = counted[0].bytes_per_exchange_declared if counted else None
    steps = sum(one.steps for one in counted)
    if declared is None or not steps or len(counted) < workers:
        return None
    return declared * max(one.rounds for one in counted) * workers / steps


def rate(run: Run) -> float | None:
    """Bytes per second of one host's link: what was asked of a shaped one, which never gives more; else as measured."""
    cluster = run.record.cluster
    asked = run.record.specification.network.rate_mbit
    measured = cluster.in_force.get("goodput_mbit") if cluster is not None else None
    chosen = asked if asked is not None else measured
    return float(chosen) * 1e6 / 8 if isinstance(chosen, int | float) and chosen > 0 else None


def _wire(run: Run) -> float | None:
    size = bytes_per_step(run)
    if size == 0:
        return 0.0
    speed = rate(run)
    return None if size is None or speed is None else size / speed
