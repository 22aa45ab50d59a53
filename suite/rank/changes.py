"""What changes of the workers mean on a rank: every step is committed, faults happen at their step, recoveries are told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from suite.rank.observer import Clock
from suite.rank.samples import RankWriter
from suite.rank.side import ElasticState, Place
from suite.record.specification import Specification


class Changes:
    """Of one rank, from the beginning of its process to its end."""

    def __init__(
        self,
        specification: Specification,
        writer: RankWriter,
        state: ElasticState,
        *,
        clock: Clock = time.perf_counter,
        die: Callable[[], object] = lambda: os.kill(os.getpid(), signal.SIGKILL),
    ) -> None:
        fault = specification.fault
        assert fault is not None
        self._kills = fault.kind == "kill"
        # Whoever comes later begins with another number.
        self._due = specification.warmup + fault.step if writer.rank == fault.rank else None
        self._writer, self._state, self._clock, self._die = writer, state, clock, die
        self._told = 0
        self._zero: float | None = None

    def meet(self, place: Place, start: Callable[[float | None], float]) -> None:
        """All have met: times go on counting from where those who were there before began, on the same clock."""
        zeros = place.exchange(self._zero)
        self._zero = start(zeros[0])
        now = self._clock() - self._zero
        for one in self._state.recoveries[self._told :]:
            self._writer.event(
                "recovery",
                lost=one.lost,
                noticed=round(now - one.seconds, 6),
                resumed=round(now, 6),
                before=one.before,
                workers=one.workers,
                newcomers=one.newcomers,
                samples_lost=one.samples_lost,
            )
        self._told = len(self._state.recoveries)

    def draws(self, step: int, samples: int) -> None:
        self._state.count(samples)
        if self._due is not None and step >= self._due:
            self._due = None
            assert self._zero is not None
            self._writer.event(
                "fault",
                host=os.environ.get("HOROVOD_HOSTNAME", ""),
                seconds=round(self._clock() - self._zero, 6),
                samples_lost=samples if self._kills else 0,
            )
            if self._kills:
                self._die()

    def commits(self, steps_taken: int) -> None:
        self._state.step = steps_taken
        self._state.save()

    def look(self) -> None:
        """Between steps: hosts that have come or gone by announcement."""
        self._state.check_host_updates()
