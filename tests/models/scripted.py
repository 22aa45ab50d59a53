"""A clock for the device that sleeps."""

import math


class Script:
    """It moves when slept on, and by 10 microseconds whenever it is read. Who sleeps at `woken_at` is woken then."""

    def __init__(self, woken_at: float = math.inf) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.reads = 0
        self.woken_at = woken_at

    def clock(self) -> float:
        self.reads += 1
        self.now += 1e-5
        return self.now

    def sleep(self, seconds: float) -> bool:
        """Whether it was cut short."""
        self.slept.append(seconds)
        end = self.now + seconds
        self.now = max(self.now, min(end, self.woken_at))
        return self.now < end
