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
# In virtual time a run begins as a copy of a warm process, and in small nets what costs is the number of calls: at 28 x 28
# AlexNet / 16 takes 4 ms a gradient of 8 pictures, GoogLeNet / 16 takes 18 ms.
VIRTUAL_STARTUP_SECONDS = 2.0
PARAMETER_SECONDS = 150e-6
HELD_OUT = 10_000  # pictures, as Fashion-MNIST has
# A start alone has taken a minute and a half on two cores with a load of nine.
DEADLINE_SECONDS = 90.0
PATIENCE = 4.0
VIRTUAL_PATIENCE = 20.0  # nobody waits for anybody there: what takes long is slow, hardly ever hung


def estimate(specification: Specification) -> float:
    """Seconds from launch to end, from what the run computes and sends."""
    live = Live(specification)
    steps = specification.warmup + specification.steps
    compute = compute_seconds(live)
    per_step = compute + wire_seconds(live) + delay_seconds(live, compute)
    virtual = specification.network.evidence == "simulated"
    startup = VIRTUAL_STARTUP_SECONDS if virtual else STARTUP_SECONDS[specification.framework]
    return startup + steps * per_step + held_out_seconds(live, virtual) + fault_seconds(specification)


def held_out_seconds(live: Live, virtual: bool) -> float:
    specification = live.specification
    if not specification.evaluate_every:
        return 0.0
    seen = (specification.warmup + specification.steps) * specification.batch_size * specification.workers
    each = (specification.evaluate_samples or HELD_OUT) * live.net.flops / FLOPS_PER_CORE if virtual else 1.0
    return (seen // specification.evaluate_every + 1) * each


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
        gradient = 3 * forward / FLOPS_PER_CORE + PARAMETER_SECONDS * len(live.net.parameters)
        return gradient * specification.workers / usable_cores()
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


def deadline(expected: float, virtual: bool = False) -> float:
    """A run that takes longer than this is hung. Generous: a busy machine is no fault."""
    return DEADLINE_SECONDS + (VIRTUAL_PATIENCE if virtual else PATIENCE) * expected


def launched_from() -> Path:
    """The folder that `suite` and `algorithms` are imported from, for ranks that start elsewhere."""
    return Path(__file__).parents[2]
