"""How long a run should take, roughly, and how long it may take at most. Shown, so that nobody wonders about an end."""

from __future__ import annotations

import itertools
import statistics
from pathlib import Path

from suite.cluster.local import usable_cores
from suite.experiment.live import Live
from suite.harness.elastic import GLOO_TIMEOUT_SECONDS
from suite.record.specification import Specification

# From launch to first step on two cores, measured: horovodrun's own checks, the framework's import, building.
STARTUP_SECONDS = {"torch": 8.0, "tensorflow": 13.0}
# What one core does on real layers. The shipped profiles say 90 to 140 GFLOP/s; older cores have a third of that.
FLOPS_PER_CORE = 30e9
LOOPBACK_MBIT = 8000.0
# A start alone has taken a minute and a half on two cores with a load of nine.
DEADLINE_SECONDS = 90.0
PATIENCE = 4.0


def estimate(specification: Specification) -> float:
    """Seconds from launch to end, from what the run computes and sends."""
    live = Live(specification)
    steps = specification.warmup + specification.steps
    compute = compute_seconds(live)
    per_step = compute + wire_seconds(live) + delay_seconds(live, compute)
    held_out = 0.0
    if specification.evaluate_every:
        seen = steps * specification.batch_size * specification.workers
        evaluations = seen // specification.evaluate_every + 1
        held_out = evaluations * 1.0
    return STARTUP_SECONDS[specification.framework] + steps * per_step + held_out + fault_seconds(specification)


def fault_seconds(specification: Specification) -> float:
    """Of standing still: until all have noticed, or a newcomer has started."""
    fault = specification.fault
    if fault is None:
        return 0.0
    return STARTUP_SECONDS[specification.framework] if fault.kind == "join" else GLOO_TIMEOUT_SECONDS[fault.kind]


def compute_seconds(live: Live) -> float:
    """Of one step of one rank, other ranks on the same cores included."""
    if live.profile is not None:
        return live.profile.forward_seconds + live.profile.backward_seconds
    specification = live.specification
    forward = live.net.flops * specification.batch_size
    if specification.network.evidence == "simulated":  # all workers' gradients, on all cores
        return 3 * forward * specification.workers / FLOPS_PER_CORE / usable_cores()
    cores = usable_cores() if specification.network.here else specification.workers * specification.threads
    crowding = max(1.0, specification.workers * specification.threads / cores)
    return 3 * forward / FLOPS_PER_CORE / specification.threads * crowding


def wire_seconds(live: Live) -> float:
    """Of a ring all-reduce of all gradients at the network's rate."""
    specification = live.specification
    if specification.network.evidence == "simulated":
        return 0.0
    replay = specification.model.replay
    size = live.net.parameter_count * 4.0 * (1.0 if replay is None else replay.size)
    ring = 2 * (specification.workers - 1) / specification.workers * size
    return ring * 8 / ((specification.network.rate_mbit or LOOPBACK_MBIT) * 1e6)


def delay_seconds(live: Live, compute: float) -> float:
    """Of the slowest rank, on average over the first steps."""
    straggler, size = live.straggler, live.specification.workers
    if straggler is None or live.specification.network.evidence == "simulated":
        return 0.0
    unit = compute if straggler.unit == "compute" else 1.0
    if straggler.cores is not None:
        return compute / straggler.cores
    drawn = [straggler.delays(rank, size, live.specification.seed) for rank in range(size)]
    worst = [max(step) for step in itertools.islice(zip(*drawn, strict=True), 50)]
    return unit * statistics.fmean(worst)


def deadline(expected: float) -> float:
    """A run that takes longer than this is hung. Generous: a busy machine is no fault."""
    return DEADLINE_SECONDS + PATIENCE * expected


def launched_from() -> Path:
    """The folder that `suite` and `algorithms` are imported from, for ranks that start elsewhere."""
    return Path(__file__).parents[2]
