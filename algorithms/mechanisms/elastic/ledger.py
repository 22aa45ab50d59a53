"""What a worker has trained on, what it lost of that, and how long each recovery took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """One change of the workers, as one of them saw it."""

    lost: bool  # a worker was lost; else hosts came or went by announcement
    seconds: float  # from when this worker noticed until all could go on
    before: int  # workers; 0: this one is new
    workers: int
    newcomers: int
    samples_lost: int  # that this worker has to draw again: what it had drawn since its last commit


class Ledger:
    """Of one worker. What has been drawn counts once it has been committed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._drawn = 0  # since the last commit
        self._noticed: tuple[float, bool] | None = None
        self._workers = 0
        self.samples = 0
        self.samples_lost = 0
        self.recoveries: list[Recovery] = []

    def draws(self, samples: int) -> None:
        if samples < 0:
            raise ValueError(f"samples={samples!r}: must be a number >= 0")
        self._drawn += samples

    def commits(self) -> None:
        self.samples += self._drawn
        self._drawn = 0

    def notices(self, *, lost: bool) -> None:
        """Training stops here. A second loss during a recovery is part of it."""
        if self._noticed is None:
            self._noticed = self._clock(), lost

    def goes_on(self, *, workers: int, newcomers: int) -> None:
        """All have met, and training goes on, or begins."""
        before, self._workers = self._workers, workers
        if self._noticed is None:
            return
        noticed, lost = self._noticed
        self._noticed = None
        self.recoveries.append(
            Recovery(
                lost=lost,
                seconds=self._clock() - noticed,
                before=before,
                workers=workers,
                newcomers=newcomers,
                samples_lost=self._drawn,
            )
        )
        self.samples_lost += self._drawn
        self._drawn = 0
