"""What the link of an emulated host is asked to do, and what that means for its queues. Pure."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def longest_queue_seconds(self) -> float:
        return self.queue_bytes * 8 / (self.rate_mbit * 1e6) if self.rate_mbit else 0.0
