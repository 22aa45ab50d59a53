"""Rate, delay and loss of one interface, through the kernel's queueing disciplines. Uses pyroute2, not iproute2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

MTU = 1500
FRAME_BYTES = MTU + 14  # what tbf counts: the packet and its Ethernet header
PAYLOAD_BYTES = MTU - 20 - 20 - 12  # less IPv4, TCP and TCP's timestamp option, which Linux always uses
GOODPUT_SHARE = PAYLOAD_BYTES / FRAME_BYTES

MAX_RATE_MBIT = 30_000.0  # tbf keeps its rate in 32 bits of bytes per second
MIN_RATE_MBIT = 10.0  # below, single frames are so long that a rate over a second means little

_QUEUE_MS = 50.0  # longest stay in the queue before frames are dropped
_SMALLEST_QUEUE = 128 * 1024  # a small switch's share per port; less drops whole bursts of TCP at low rates
_BURST_MS = 2.0  # must cover the lateness of a timer on a busy machine, or the rate is not reached
_SMALLEST_BURST = 10 * FRAME_BYTES  # a bucket smaller than TCP's offloaded segments makes the kernel cut them: right


@dataclass(frozen=True, kw_only=True)
class Shape:
    rate_mbit: float | None
    delay_ms: float = 0.0
    loss: float = 0.0

    @property
    def burst_bytes(self) -> int:
        return max(_SMALLEST_BURST, round((self.rate_mbit or 0) * 1e6 / 8 * _BURST_MS / 1e3))

    @property
    def queue_bytes(self) -> int:
        return self.burst_bytes + max(_SMALLEST_QUEUE, round((self.rate_mbit or 0) * 1e6 / 8 * _QUEUE_MS / 1e3))


def apply(netlink: IPRoute, index: int, shape: Shape, *, with_netem: bool) -> None:
    """Shapes what leaves the interface. Delay and loss belong to one end only: `with_netem` says to which."""
    parent = 0xFFFFFFFF  # TC_H_ROOT
    if with_netem and (shape.delay_ms or shape.loss):
        # netem as root and tbf below it: the order its own manual gives for delay together with a rate.
        try:
            netlink.tc(
                "add",
                "netem",
                index,
                0x10000,
                delay=round(shape.delay_ms * 1000),
                loss=shape.loss * 100,
                limit=100_000,
            )
        except NetlinkError as error:
            raise OSError(error.code, "this kernel has no netem, so neither delay nor loss can be emulated") from error
        parent = 0x10001
    if shape.rate_mbit is not None:
        netlink.tc(
            "add",
            "tbf",
            index,
            0x20000,
            parent=parent,
            rate=round(shape.rate_mbit * 1e6 / 8),
            burst=shape.burst_bytes,
            limit=shape.queue_bytes,
        )


def in_force(netlink: IPRoute, index: int) -> tuple[str, ...]:
    """The disciplines the kernel says are on the interface, whatever was asked."""
    found: list[Any] = list(netlink.get_qdiscs(index))
    return tuple(str(discipline.get_attr("TCA_KIND")) for discipline in found)
