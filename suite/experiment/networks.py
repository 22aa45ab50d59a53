"""What of networks and stragglers depends on the rest of a run."""

from __future__ import annotations

from suite.cluster import stragglers
from suite.experiment import choices
from suite.record.specification import Model

# What stands for a worker's speed where nobody says how long a step takes; backward costs about twice the forward pass.
VIRTUAL_FLOPS = 100e9


def step_seconds(model: Model, batch_size: int) -> float:
    """A step at a stated speed, so that a run is the same whichever machine simulates it."""
    return 3 * choices.net_of(model).flops * batch_size / VIRTUAL_FLOPS


def resolve_straggler(text: str, workers: int) -> str | None:
    """None for "none"; otherwise the text, once it is known to be readable and to fit the job."""
    if text == "none":
        return None
    stragglers.parse(text).check(workers)
    return text
