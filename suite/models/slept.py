"""The device that replayed layers run on: it computes nothing, one layer at a time, for exactly as long as told."""

import threading
import time
from collections.abc import Callable

Clock = Callable[[], float]
Sleep = Callable[[float], object]
"""What it returns is true where it was woken before its time, as `threading.Event.wait` is by its event."""

# The kernel wakes a sleeper about 60 microseconds late; the rest up to the deadline is spun away.
SPIN_SECONDS = 100e-6


def sleep_until(deadline: float, clock: Clock = time.perf_counter, sleep: Sleep = time.sleep) -> bool:
    """Return at `deadline`, not before it and hardly after it; past deadlines return at once.

    Whether the sleep was cut short.
    """
    remaining = deadline - clock()
    if remaining > SPIN_SECONDS and sleep(remaining - SPIN_SECONDS):
        return True
    while clock() < deadline:
        pass
    return False


class SleptDevice:
    """Layers queue for it. Without the queue, a dataflow graph could sleep through two layers at the same time."""

    def __init__(self, clock: Clock = time.perf_counter, sleep: Sleep = time.sleep) -> None:
        self.clock, self.sleep = clock, sleep
        self._lock = threading.Lock()
        self._free_at = 0.0

    def reserve(self, arrived: float, seconds: float) -> float:
        """When a layer that came at `arrived` and takes `seconds` is done."""
        with self._lock:
            self._free_at = max(arrived, self._free_at) + seconds
            return self._free_at

    def run(self, arrived: float, seconds: float) -> None:
        """Wait until that layer is done. What the caller did since `arrived` counts as part of the layer."""
        if sleep_until(self.reserve(arrived, seconds), self.clock, self.sleep):
            with self._lock:
                self._free_at = self.clock()  # nobody wants this layer any more


DEVICE = SleptDevice()
