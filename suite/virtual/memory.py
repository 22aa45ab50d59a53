"""What a virtual run will hold at most, so that one that does not fit is refused before it starts."""

from __future__ import annotations

from pathlib import Path

import psutil

from algorithms.contract import Algorithm, Exchange, Place, Rounds
from suite.models import Net
from suite.models.net import FLOAT_BYTES
from suite.record.specification import Optimizer

PROCESS_BYTES = 400 << 20  # an interpreter with PyTorch, and the data
LIMITS = (("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),)


def vectors(algorithm: Algorithm, optimizer: Optimizer, workers: int) -> float:
    """Copies of the parameters. Whoever has not departed from what others hold has none of its own."""
    state = {"sgd": 1 if optimizer.momentum else 0, "rmsprop": 2}.get(optimizer.name, 2)
    passing = 4  # a gradient, and what becomes of it in an update
    if isinstance(algorithm, Exchange):
        if not algorithm.reduces:
            return workers * (1 + state) + passing
        return 1 + state + algorithm.memory() + passing
    assert isinstance(algorithm, Rounds)
    averaged = algorithm.centre(0.0).average is not None
    if algorithm.optimizer_at is Place.CENTRE:
        together = algorithm.tagged or algorithm.quorum(workers) == workers
        return 1 + state + averaged + passing + (1 if together else 2 * workers)  # what each read, and its gradient
    own = 1 + state + max(0.0, algorithm.memory() - 1 - averaged)  # all but the centre, which is one for all
    return 2 + averaged + passing + workers * own


def needed(net: Net, algorithm: Algorithm, optimizer: Optimizer, workers: int, samples: int, processes: int) -> int:
    """Bytes; `samples` share a pass, whose layers' outputs and their gradients are held at once."""
    parameters = net.parameter_count * FLOAT_BYTES
    held = vectors(algorithm, optimizer, workers) * parameters
    passing = processes * (3 * net.activation_bytes * samples + 4 * parameters + PROCESS_BYTES)
    return round(held + passing)


def free() -> int:
    """Bytes that may still be taken, by the machine's account and the control group's."""
    found: int = psutil.virtual_memory().available
    for limit, current in LIMITS:
        try:
            found = min(found, int(Path(limit).read_text()) - int(Path(current).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return found


def refuse_what_does_not_fit(needs: int, there: int, workers: int) -> None:
    if needs > there:
        raise ValueError(
            f"workers = {workers}: need about {needs / 1e9:.1f} GB and {there / 1e9:.1f} GB are free; take fewer, a "
            "narrower net, or smaller batches"
        )
