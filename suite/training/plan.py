"""What a training run is to do: how long, when ranks meet, what they look for."""

import math
from dataclasses import dataclass
from pathlib import Path

from suite.training.targets import check_targets


@dataclass(frozen=True, kw_only=True)
class Plan:
    steps: int
    """Updates in all, those before a resumed checkpoint included."""
    warm_up: int = 0
    """The first so many updates of this process are marked: they trace, allocate and fill caches."""
    evaluate_every: int | None = None
    """Samples, of all ranks together, between evaluations; None: only at the end (if there is a test source)."""
    targets: tuple[float, ...] = ()
    stop_at_targets: bool = False
    look_every: int | None = None
    """In step: updates between meetings that only ask whether anybody diverged. None: no such meetings."""
    meet_every: float | None = None
    """Free: seconds of training between meetings, at which ranks evaluate too. The run then ends at the first meeting by
    which all ranks together took `steps` updates per rank; `evaluate_every` and `look_every` do not apply."""
    weighted: bool = True
    """Gradients of one update are averaged over all ranks, so short batches are weighed (`Source.weight`). False: each
    rank's own gradient stands for itself, as where workers keep copies of their own. Never weighed in free running."""
    checkpoint: Path | None = None
    """Each rank's own: ranks of some algorithms differ."""
    checkpoint_every: int | None = None
    """Updates between checkpoints; None: only at the end (if there is a `checkpoint`)."""

    def __post_init__(self) -> None:
        check_targets(self.targets)
        for name, value, least in (
            ("steps", self.steps, 1),
            ("warm_up", self.warm_up, 0),
            ("evaluate_every", self.evaluate_every, 1),
            ("look_every", self.look_every, 1),
            ("checkpoint_every", self.checkpoint_every, 1),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name} = {value}: at least {least}")
        if self.meet_every is not None:
            if not (math.isfinite(self.meet_every) and self.meet_every > 0):
                raise ValueError(f"meet_every = {self.meet_every}: more than 0 seconds")
            if self.evaluate_every is not None or self.look_every is not None:
                raise ValueError("meet_every with evaluate_every or look_every: free ranks share no update number")

    @property
    def free(self) -> bool:
        return self.meet_every is not None
