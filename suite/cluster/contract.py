"""What a cluster is to the rest of the suite: a place where a command can be run on several ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from suite.record.part import Kind


class ClusterError(RuntimeError):
    """The cluster could not be made, does not deliver what was asked, or fell over; a line per reason."""


class ClusterUnavailableError(ClusterError):
    """This machine cannot make such a cluster at all (no permission, no kernel support); the reason is the message."""


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What one interface has carried since it was made, as the kernel counts it (headers included)."""

    sent_bytes: int
    sent_packets: int
    received_bytes: int
    received_packets: int

    def __sub__(self, earlier: Counters) -> Counters:
        return Counters(
            sent_bytes=self.sent_bytes - earlier.sent_bytes,
            sent_packets=self.sent_packets - earlier.sent_packets,
            received_bytes=self.received_bytes - earlier.received_bytes,
            received_packets=self.received_packets - earlier.received_packets,
        )


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    """What was asked of the cluster and what was really in force; goes into every record as it is."""

    name: str
    kind: Kind
    hosts: int
    slots: int
    asked: dict[str, Any] = field(default_factory=dict)
    in_force: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Cluster(Protocol):
    """One of Local, Hosts, Emulated. A context manager: nothing of it exists before entering or after leaving."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def command(self, ranks: int, argv: Sequence[str], *, mpi: bool = False) -> list[str]:
        """The command line that runs `argv` on `ranks` ranks, which talk through Gloo or MPI."""
        ...

    def environment(self) -> dict[str, str]:
        """Environment variables that command needs beyond the caller's own."""
        ...

    def facts(self) -> ClusterFacts: ...

    def counters(self) -> tuple[Counters, ...]:
        """Interface counters, one entry per host; empty where the cluster cannot see them."""
        ...


class AlwaysThere:
    """What a cluster of machines that are there anyway has to say of most things: nothing to make, to set or to read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def environment(self) -> dict[str, str]:
        return {}

    def counters(self) -> tuple[Counters, ...]:
        """None: other machines' only the ranks can read, and the loopback carries everything else here too."""
        return ()
