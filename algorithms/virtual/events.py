"""What happens in a run of rounds, in order: enough to repeat its mathematics bit for bit without any clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Computed(NamedTuple):
    """A worker takes the gradient of its step, at its own parameters; its own optimizer moves them where it has one."""

    worker: int
    step: int
    time: float


class Offer(NamedTuple):
    """A worker offers what it holds now, made from the centre as it was after so many rounds."""

    worker: int
    read: int
    time: float


class Close(NamedTuple):
    """A round closes over these workers' offers."""

    taken: tuple[int, ...]
    time: float


class Settle(NamedTuple):
    """A worker adopts the result of the round that took its offer."""

    worker: int
    time: float


class Read(NamedTuple):
    """A worker takes the centre as it is."""

    worker: int
    time: float


class Drop(NamedTuple):
    """A worker's offer is dropped; it reads the centre."""

    worker: int
    time: float


class GiveUp(NamedTuple):
    """A worker stops computing what could only be dropped; it reads the centre."""

    worker: int
    time: float


Event = Computed | Offer | Close | Settle | Read | Drop | GiveUp
KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in (Computed, Offer, Close, Settle, Read, Drop, GiveUp)}


@dataclass(frozen=True)
class Recording:
    """The events of one run; `Cluster.run(replay=...)` repeats them."""

    workers: int
    events: tuple[Event, ...]

    def save(self, path: Path) -> None:
        """Write JSON, one event a line."""
        lines = [json.dumps({"workers": self.workers})]
        lines += [json.dumps([type(event).__name__, *event]) for event in self.events]
        path.write_text("\n".join(lines) + "\n")

    @staticmethod
    def load(path: Path) -> Recording:
        """Read what `save` wrote."""
        lines = path.read_text().splitlines()
        try:
            workers = int(json.loads(lines[0])["workers"])
            return Recording(workers, tuple(_events(lines[1:])))
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a recording of rounds: {error}") from error


def _events(lines: Iterable[str]) -> Iterator[Event]:
    for line in lines:
        kind, *fields = json.loads(line)
        if kind == "Close":
            fields[0] = tuple(fields[0])
        yield KINDS[kind](*fields)
