"""What happened in which order: a record of rounds from which the virtual driver can run the same training again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, order=True)
class Contribution:
    """What one worker had on offer: which of its own steps made it, and the round it had read the centre after."""

    worker: int
    step: int
    read: int  # rounds closed when it read the centre


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """One round: who was in it, and which offers were dropped since the round before."""

    round: int  # rounds closed before this one
    taken: tuple[Contribution, ...]
    dropped: tuple[Contribution, ...] = ()

    @property
    def staleness(self) -> tuple[int, ...]:
        """The age of each contribution, in rounds."""
        return tuple(self.round - contribution.read for contribution in self.taken)


def write(path: Path, records: Iterable[RoundRecord]) -> None:
    """One round a line."""
    path.write_text("".join(json.dumps(asdict(record)) + "\n" for record in records), encoding="utf-8")


def read(path: Path) -> tuple[RoundRecord, ...]:
    """What `write` wrote."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        data = json.loads(line)
        taken, dropped = (tuple(Contribution(**entry) for entry in data[key]) for key in ("taken", "dropped"))
        records.append(RoundRecord(round=data["round"], taken=taken, dropped=dropped))
    return tuple(records)
