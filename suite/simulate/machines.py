"""Machines that need not be here: hosts, what joins them, what an exchange costs there, and how evenly they compute."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from algorithms.mechanisms.validation import one_of, real, whole
from suite.cluster.stragglers import Straggler, parse

if TYPE_CHECKING:
    from suite.simulate.adapters import LinkTimes
    from suite.simulate.calibration import Calibration

# Ranks of one host, where nothing else is said: what a PCIe 3 x16 slot carries, and what a hop in shared memory takes.
LOCAL_GBIT = 100.0
LOCAL_LATENCY_US = 5.0
COLLECTIVES = ("ring", "halving_doubling")  # Gloo's and NCCL's; what MPI libraries take for large messages


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of a collective among all workers, in seconds."""

    exchange: float  # of any exchange, whatever it carries
    per_byte: float  # of each byte of what every worker holds
    vote: float
    agreement: float = 0.0  # from a gradient that is ready until it may leave; hides behind what travels meanwhile

    def seconds(self, payload: float) -> float:
        """An all-reduce of so many bytes on an idle network."""
        return self.exchange + payload * self.per_byte


FREE = Costs(exchange=0.0, per_byte=0.0, vote=0.0)


@dataclass(frozen=True, kw_only=True)
class Machines:
    """So many workers, `per_host` on a host, on links of `gbit` in each direction.

    latency_us: of one hop between hosts. message_us: what any exchange costs besides its bytes and hops, however many take
    part. contention: how much longer bytes take for each further worker of a host that uses the same link, as a share.
    jitter: standard deviation of a worker's compute time, as a share of its mean; jitter_correlation: between workers.
    stragglers: as in experiments. shared_cores: all ranks run on one machine of so many cores, as emulated hosts do.
    calibration: replaces what cannot be known.
    """

    workers: int
    per_host: int = 1
    gbit: float = 10.0
    latency_us: float = 30.0
    message_us: float = 0.0
    contention: float = 0.0
    local_gbit: float | None = None
    local_latency_us: float | None = None
    stragglers: str | None = None
    jitter: float = 0.0
    jitter_correlation: float = 0.0
    cycle_ms: float = 1.0  # Horovod's own default, as is the next
    fusion_mb: float = 128.0
    collective: str = "ring"
    shared_cores: int | None = None
    calibration: Calibration | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        whole("workers", self.workers, 1)
        whole("per_host", self.per_host, 1)
        if self.per_host > self.workers:
            raise ValueError(f"per_host={self.per_host}: must be at most workers={self.workers}")
        _rate("gbit", self.gbit)
        if self.local_gbit is not None:
            _rate("local_gbit", self.local_gbit)
        for name in ("latency_us", "message_us", "contention", "jitter"):
            real(name, getattr(self, name), 0)
        if self.local_latency_us is not None:
            real("local_latency_us", self.local_latency_us, 0)
        real("jitter_correlation", self.jitter_correlation, 0, 1)
        real("cycle_ms", self.cycle_ms, 0)
        real("fusion_mb", self.fusion_mb, 0)
        one_of("collective", self.collective, COLLECTIVES)
        if self.shared_cores is not None:
            whole("shared_cores", self.shared_cores, 1)
        if self.straggler is not None:
            self.straggler.check(self.workers)

    @cached_property
    def straggler(self) -> Straggler | None:
        return None if self.stragglers in (None, "none") else parse(str(self.stragglers))

    @property
    def hosts(self) -> int:
        return math.ceil(self.workers / self.per_host)

    @property
    def even(self) -> bool:
        """Whether all workers compute alike in all steps."""
        return self.straggler is None and self.jitter == 0

    @cached_property
    def costs(self) -> Costs:
        """A ring through all workers, host by host: of each host's link one worker sends and one receives."""
        if self.workers == 1:
            return FREE
        if self.calibration is not None:
            return self.calibration.costs(self)
        return closed_form(self)

    def without_network(self) -> Machines:
        """The same machines where nothing that travels takes any time."""
        return replace(
            self,
            gbit=math.inf,
            local_gbit=math.inf,
            latency_us=0.0,
            local_latency_us=0.0,
            message_us=0.0,
            calibration=None if self.calibration is None else self.calibration.without_network(),
        )

    def network(self) -> LinkTimes:
        """How long exchanges and votes take, as `algorithms.virtual.Cluster` takes it."""
        from suite.simulate.adapters import LinkTimes

        return LinkTimes(self)


def closed_form(machines: Machines) -> Costs:
    """A ring of n takes 2(n-1) hops in step with each other, each as slow as the slowest, of 1/n of the bytes; halving and
    doubling takes 2 log2(n) hops for the same bytes.
    """
    workers = machines.workers
    exchange = machines.message_us * 1e-6 + hops(machines) * hop_seconds(machines)
    per_byte = 2 * (workers - 1) / workers * sharing(machines) / bytes_per_second(machines)
    return Costs(exchange=exchange, per_byte=per_byte, vote=exchange)


def hops(machines: Machines) -> int:
    """One after the other, in one exchange."""
    if machines.collective == "ring":
        return 2 * (machines.workers - 1)
    return 2 * math.ceil(math.log2(machines.workers))


def hop_seconds(machines: Machines) -> float:
    if machines.hosts > 1:
        return machines.latency_us * 1e-6
    local = machines.local_latency_us
    return (min(machines.latency_us, LOCAL_LATENCY_US) if local is None else local) * 1e-6


def bytes_per_second(machines: Machines) -> float:
    """Of the slowest hop of the ring."""
    local = max(machines.gbit, LOCAL_GBIT) if machines.local_gbit is None else machines.local_gbit
    rates = [machines.gbit] if machines.hosts > 1 else []
    if machines.per_host > 1:
        rates.append(local)
    return min(rates) * 1e9 / 8


def sharing(machines: Machines) -> float:
    """How much longer bytes take because workers of one host are at the same link, memory or processor."""
    return 1 + machines.contention * (min(machines.per_host, machines.workers) - 1)


def _rate(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{name}={value!r}: must be a rate above 0, or infinity")
