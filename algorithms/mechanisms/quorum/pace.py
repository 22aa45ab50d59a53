"""How often to look: short sleeps that follow what has been seen, so that waiting is cheap and still quick."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

HEARTBEAT = 1.0  # seconds; the longest that a worker says nothing, so that a failure is known everywhere soon after
SHORTEST, LONGEST = 0.001, 0.05  # seconds between two votes while others may be ready without this worker
SHARE = 0.03  # of a round that may pass between two votes: what votes add to a round, at most
MEMORY = 0.8  # of the last durations in the moving average


@dataclass
class Pace:
    """When a worker that has nothing to say enters the next vote."""

    clock: Callable[[], float] = time.monotonic
    _round: float | None = None  # seconds, a moving average
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def closed(self) -> None:
        """A round has closed."""
        now = self.clock()
        taken, self._last = now - self._last, now
        self._round = taken if self._round is None else MEMORY * self._round + (1 - MEMORY) * taken

    def interval(self, *, everyone: bool) -> float:
        """Seconds to sleep unless there is news. `everyone`: no round can begin without this worker's offer."""
        if everyone:
            return HEARTBEAT
        # A round that takes much longer than the last ones is watched less and less closely.
        expected = max(self._round or 0.0, self.clock() - self._last)
        return min(max(SHARE * expected, SHORTEST), LONGEST)


class Patience:
    """Sleeps while something is under way that can only be polled: short ones at first, then a share of the wait."""

    FIRST, LAST = 0.0002, 0.004  # seconds; at most 250 looks a second cost about 1 % of a core
    SHARE = 0.1

    def __init__(self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep):
        self.clock, self.sleep = clock, sleep

    def until(self, done: Callable[[], bool]) -> None:
        """Come back when `done()`."""
        began = self.clock()
        while not done():
            self.sleep(min(max(self.SHARE * (self.clock() - began), self.FIRST), self.LAST))
