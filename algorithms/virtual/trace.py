"""What a virtual run leaves behind, and what may be looked at while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
    whose: list[int] = field(default_factory=list)  # the worker of each
    used: list[int] = field(default_factory=list)  # contributions of each worker
    dropped: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)  # gradients that each worker stopped computing
    rounds: int = 0  # exchanges applied, or rounds closed
    bytes_sent: float = 0.0  # by one worker
    recording: Recording | None = None  # of a run of rounds


class Run(Protocol):
    """A run while it goes on."""

    trace: Trace

    def evaluated(self) -> Sequence[Vector]:
        """The parameters that evaluation uses: one vector for all, or each worker's own."""
        ...

    def state(self) -> Mapping[str, Any]:
        """All that goes on from here: `Cluster.run(resume=...)` takes it. Vectors in it are not copies."""
        ...


class Watch(Protocol):
    """Told what happens while it happens, in the order of virtual time."""

    def computed(self, worker: int, step: int, time: float) -> None:
        """A worker has come to the end of its step's computation."""
        ...

    def gave_up(self, worker: int, time: float) -> None:
        """A worker has left its step's computation."""
        ...

    def settled(self, run: Run, time: float) -> bool:
        """Rounds have closed at this time, a step of all workers is over, or the run is. True: it ends here."""
        ...


class Unwatched:
    """Nobody looks."""

    def computed(self, worker: int, step: int, time: float) -> None:
        return None

    def gave_up(self, worker: int, time: float) -> None:
        return None

    def settled(self, run: Run, time: float) -> bool:
        return False
