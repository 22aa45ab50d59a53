"""How far a run is, from the tails of the files that its ranks are writing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from suite.rank.samples import FOLDER_PATTERN


@dataclass(frozen=True)
class Progress:
    """Steps taken per rank that has begun; how many ranks failed or finished."""

    steps: Mapping[int, int]
    failed: int
    finished: int
    fault: str | None = None  # the host, as the job lists it, of the worker whose fault is due

    @property
    def slowest(self) -> int:
        return min(self.steps.values(), default=0)


@dataclass
class _Rank:
    offset: int = 0
    rest: bytes = b""
    steps: int = 0
    failed: bool = False
    finished: bool = False
    fault: str | None = None


@dataclass
class Follower:
    """Reads each file once, only what is new. `workers`: who are there at the end."""

    folder: Path
    workers: int
    _ranks: dict[int, _Rank] = field(default_factory=dict)

    def look(self) -> Progress:
        for path in self.folder.glob(FOLDER_PATTERN):
            number = int(path.stem.removeprefix("rank-"))
            rank = self._ranks.setdefault(number, _Rank())
            with path.open("rb") as file:
                file.seek(rank.offset)
                new = file.read()
            rank.offset += len(new)
            *lines, rank.rest = (rank.rest + new).split(b"\n")
            for line in lines:
                self._take(rank, line)
        return Progress(
            {number: rank.steps for number, rank in self._ranks.items()},
            sum(rank.failed for rank in self._ranks.values()),
            sum(rank.finished for rank in self._ranks.values()),
            next((rank.fault for rank in self._ranks.values() if rank.fault is not None), None),
        )

    def over(self) -> bool:
        """Some rank has failed, or all have finished: the job should be ending by itself."""
        now = self.look()
        return now.failed > 0 or now.finished >= self.workers

    def _take(self, rank: _Rank, line: bytes) -> None:
        if line.startswith(b"["):
            rank.steps += 1
            return
        try:
            said = json.loads(line)
            kind = said.get("event")
        except (ValueError, AttributeError):
            return
        rank.failed |= kind == "failure"
        rank.finished |= kind == "end"
        if kind == "fault":
            rank.fault = said["host"]
