"""What the harness hands to every rank, as a file beside the one that the rank will write."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

from suite.experiment.live import Live
from suite.record.part import Part
from suite.record.specification import Specification

NAME = "job.json"
BOOT = Path("/proc/sys/kernel/random/boot_id")


class RankJob(Part):
    specification: Specification
    folder: str
    launched_at: float  # system time at which the command was started
    clock: str  # of the machine that started it
    deadline: float  # seconds from then; a rank that is still there writes down where it stands and ends itself
    trace: bool = False

    @cached_property
    def live(self) -> Live:
        return Live(self.specification)

    def since_launch(self, now: float, clock: str) -> float:
        """Seconds until `now`; NaN where that is another machine's time, which may be off by more than a run takes."""
        return now - self.launched_at if clock and clock == self.clock else math.nan

    def left(self, now: float, clock: str) -> float:
        """Seconds until the deadline. A rank on another machine counts them from its own start."""
        since = self.since_launch(now, clock)
        return self.deadline if math.isnan(since) else self.deadline - since

    def write(self) -> Path:
        path = Path(self.folder) / NAME
        path.write_text(self.model_dump_json())
        return path


def clock_of_this_machine() -> str:
    """Equal for processes that read the same clock: all between two boots of one machine, its containers included."""
    return BOOT.read_text().strip() if BOOT.exists() else ""


def read(path: Path) -> RankJob:
    return RankJob.model_validate_json(path.read_bytes())
