"""What the harness hands to every rank, as a file beside the one that the rank will write."""

from __future__ import annotations

from pathlib import Path

from suite.run.specification import Part, Specification

NAME = "job.json"


class RankJob(Part):
    specification: Specification
    folder: str
    launched_at: float  # system time at which the command was started
    deadline: float  # seconds from then; a rank that is still there writes down where it stands and ends itself
    trace: bool = False

    def write(self) -> Path:
        path = Path(self.folder) / NAME
        path.write_text(self.model_dump_json())
        return path


def read(path: Path) -> RankJob:
    return RankJob.model_validate_json(path.read_bytes())
