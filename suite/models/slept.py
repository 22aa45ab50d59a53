"""The device that replayed layers run on: it computes nothing, one layer at a time, for exactly as long as told."""

import threading
import time
from collections.abc import Callable

Clock = Callable[[], float]

# The kernel wakes a sleeper about 60 microseconds late; the rest up to the deadline is spun away.
SPIN_SECONDS = 100e-6


def sleep_until(deadline: float, clock: Clock = time.perf_counter, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return at `deadline`, not before it and hardly after it; past deadlines return at once."""
    remaining = deadline - clock()
    if remaining > SPIN_SECONDS:
        sleep(remaining - SPIN_SECONDS)
    while clock() < deadline:
        pass


class SleptDevice:
    """Layers queue for it. Without the queue, a dataflow graph could sleep through two layers at the same time."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0

    def reserve(self, arrived: float, seconds: float) -> float:
        """When a layer that came at `arrived` and takes `seconds` is done."""
        with self._lock:
            self._free_at = max(arrived, self._free_at) + seconds
            return self._free_at

    def run(self, arrived: float, seconds: float) -> None:
        """Wait until that layer is done. What the caller did since `arrived` counts as part of the layer."""
        sleep_until(self.reserve(arrived, seconds), self.clock)


DEVICE = SleptDevice()
