"""A thread of a rank that notes twice a second what happens around its training."""

from __future__ import annotations

import hashlib
import itertools
import os
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from suite.disturbance import machine
from suite.disturbance.machine import MachineTime

PERIOD_SECONDS = 0.5
PIECE = bytes(1 << 14)  # hashing it as often as a look does takes a fraction of a millisecond: a thousandth of a core
PIECES = 16


@dataclass
class Columns:
    """One entry per look; what is counted since the first. The machine's columns are the first local rank's alone."""

    moments: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    interrupts: list[float] = field(default_factory=list)
    stolen: list[float] = field(default_factory=list)
    stalled: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)


class Watch:
    """Begins with `start` and ends with `stop`, which says what was seen."""

    def __init__(
        self,
        *,
        leads: bool,
        clock: Callable[[], float] = time.perf_counter,
        look: Callable[[], MachineTime | None] = machine.now,
        piece: Callable[[], float] | None = None,
    ) -> None:
        self._leads, self._clock, self._look, self._piece = leads, clock, look, piece or timed_piece
        self._columns = Columns()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """All ranks leave together: moments count from here."""
        self._zero, self._cpu = self._clock(), time.process_time()
        self._switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        self._first = self._look() if self._leads else None
        self._note(0.0)
        self._thread.start()

    def stop(self) -> dict[str, object]:
        """What the record keeps; see `suite.record.rank.Surroundings`."""
        self._ended.set()
        self._thread.join()
        self._note(0.0)
        rounded = {name: [round(value, 5) for value in column] for name, column in vars(self._columns).items()}
        return rounded | {
            "pieces": PIECES,
            "switches": resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - self._switches,
            "cores": os.cpu_count() or 1,
            "machine": machine.identity(),
        }

    def _run(self) -> None:
        while True:
            begun = self._clock()
            if self._ended.wait(PERIOD_SECONDS):
                return
            self._note(self._clock() - begun - PERIOD_SECONDS)

    def _note(self, late: float) -> None:
        columns = self._columns
        columns.moments.append(self._clock() - self._zero)
        columns.own.append(time.process_time() - self._cpu)
        columns.late.append(max(0.0, late))
        if self._first is None:
            return
        seen, first = self._look() or self._first, self._first
        columns.idle.append(seen.idle - first.idle)
        columns.interrupts.append(seen.interrupts - first.interrupts)
        columns.stolen.append(seen.stolen - first.stolen)
        if seen.stalled is not None and first.stalled is not None:
            columns.stalled.append(seen.stalled - first.stalled)
        columns.work.append(self._piece())


def timed_piece(clock: Callable[[], float] = time.thread_time) -> float:
    """CPU seconds of the same work each time: longer on a core that is slower, or shared by another thread of it.

    An interrupt is charged to whom it interrupts, and an emulated network has many: it spoils some of the pieces, where a
    slow core spoils all. So the fastest stands for every one.
    """
    moments = [clock()]
    for _ in range(PIECES):
        hashlib.sha256(PIECE).digest()
        moments.append(clock())
    return PIECES * min(after - before for before, after in itertools.pairwise(moments))
