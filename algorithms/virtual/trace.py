"""What a virtual run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field

from algorithms.virtual.events import Recording
from algorithms.virtual.optimizers import Vector


@dataclass(kw_only=True)
class Trace:
    """Filled in by the drivers, read by everybody else.

    `parameters` begins with the start and then holds, for every `record`-th step (`Exchange`) or round (`Rounds`), the
    centre; where there is none, worker 0. The last is always there. `seconds` is virtual time at the same moments.
    """

    parameters: list[Vector] = field(default_factory=list)
    averages: list[Vector] = field(default_factory=list)  # what evaluation uses, where that is not the centre
    seconds: list[float] = field(default_factory=list)
    workers: list[Vector] = field(default_factory=list)  # each worker's own, at the end
    history: list[list[Vector]] = field(default_factory=list)  # each worker's own, beside `parameters`, where asked for
    staleness: list[int] = field(default_factory=list)  # of every gradient or contribution applied, in order
    used: list[int] = field(default_factory=list)  # contributions of each worker
    dropped: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)  # gradients that each worker stopped computing
    rounds: int = 0  # exchanges applied, or rounds closed
    bytes_sent: float = 0.0  # by one worker
    recording: Recording | None = None  # of a run of rounds
