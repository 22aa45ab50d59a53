"""What a wrapped optimizer counts while it trains, the same in every binding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """Counted on one worker since the optimizer was wrapped."""

    steps: int = 0  # local steps
    rounds: int = 0  # exchanges of a gradient, or rounds closed
    bytes_sent: int = 0  # handed to Horovod
    bytes_per_exchange: int = 0  # of these, as the format of the wire declares it for everything once; 0: nobody says
    exposed_seconds: float = 0.0  # the training thread stood still for an exchange
    exposed_vote_seconds: float | None = None  # of these, votes were taken; None: nobody votes
    vote_seconds: float = 0.0  # the helper spent on votes
    payload_seconds: float = 0.0  # the helper spent on payloads
    # rounds old -> this worker's gradients applied at that age
    staleness: Mapping[int, int] = field(default_factory=dict)
    used: int = 0  # contributions of this worker
    dropped: int = 0
    given_up: int = 0  # steps left because what came of them could only have been dropped
    memory_declared: float = 0.0  # copies of the parameters, beyond parameters, gradients and optimizer state
    memory_bytes: int = 0  # held now by the wrapper beyond those

    def as_dict(self) -> dict[str, int | float]:
        """Plain numbers by name, for a logger in a loop: `wandb.log(optimizer.telemetry().as_dict())`.

        Ages of gradients become their mean and the oldest; what nobody measured is left out.
        """
        found = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "staleness"}
        if self.staleness:
            total = sum(age * count for age, count in self.staleness.items())
            found |= {
                "staleness_mean": total / sum(self.staleness.values()),
                "staleness_max": max(self.staleness),
            }
        return {name: value for name, value in found.items() if value is not None}
