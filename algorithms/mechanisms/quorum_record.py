"""What happened in which order: enough to run the same training again in virtual time.

Nobody sees all of it. Each worker writes down what it did itself and how many rounds its centre had then seen; all of
them know the rounds. Between two rounds workers do not touch each other, so any order of what they did there is the right
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


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


class Entry(NamedTuple):
    """What one worker did, in the words of `algorithms.virtual.events`."""

    kind: str  # Compute, Offer, Settle, Read, Drop
    step: int
    rounds: int  # that its centre had seen


@dataclass
class Diary:
    """One worker's entries; empty where nobody asked for them."""

    kept: bool
    entries: list[Entry] = field(default_factory=list)

    def add(self, kind: str, step: int, rounds: int) -> None:
        if self.kept:
            last = self.entries[-1].rounds if self.entries else 0
            self.entries.append(Entry(kind, step, max(rounds, last)))


def merged(diaries: Sequence[Sequence[Entry]], rounds: Sequence[RoundRecord]) -> list[tuple[object, ...]]:
    """One story: (kind, worker, step) for what a worker did, ("Close", workers) for a round."""
    story: list[tuple[object, ...]] = []
    places = [0] * len(diaries)

    def until(seen: int | None) -> None:
        for worker, diary in enumerate(diaries):
            while places[worker] < len(diary) and (seen is None or diary[places[worker]].rounds <= seen):
                entry = diary[places[worker]]
                story.append((entry.kind, worker, entry.step))
                places[worker] += 1

    for record in rounds:
        until(record.round)
        story.append(("Close", tuple(contribution.worker for contribution in record.taken)))
    until(None)
    return story
