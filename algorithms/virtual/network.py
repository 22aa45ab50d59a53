"""How long an exchange takes, in virtual seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from algorithms.mechanisms.validation import real


class Network(Protocol):
    def seconds(self, sent: float, participants: int) -> float:
        """The time of one exchange in which each of the participants sends so many bytes."""
        ...

    def vote(self, participants: int) -> float:
        """The time of one vote."""
        ...


@dataclass(frozen=True, kw_only=True)
class Instant:
    """Nothing takes time."""

    def seconds(self, sent: float, participants: int) -> float:
        return 0.0

    def vote(self, participants: int) -> float:
        return 0.0


@dataclass(frozen=True, kw_only=True)
class Ring:
    """Ring all-reduce: bytes over bandwidth (bytes per second) and a latency for each of its 2(n-1) hops."""

    bandwidth: float = 125e6
    latency: float = 0.0
    vote_seconds: float = 0.0

    def __post_init__(self) -> None:
        real("bandwidth", self.bandwidth, 0, low_allowed=False)
        real("latency", self.latency, 0)
        real("vote_seconds", self.vote_seconds, 0)

    def seconds(self, sent: float, participants: int) -> float:
        return sent / self.bandwidth + 2 * (participants - 1) * self.latency

    def vote(self, participants: int) -> float:
        return self.vote_seconds
