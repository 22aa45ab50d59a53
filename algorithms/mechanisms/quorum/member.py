"""One worker's part in the rounds, as a state machine without threads or clocks.

Its training side offers, leaves or fails; its helper casts ballots, counts them, carries out the rounds they decide on and
closes them. In between anything may happen, in any order: tests run through all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from algorithms.mechanisms.quorum.ballot import (
    PLAIN,
    Ballot,
    Presence,
    Terms,
    Vector,
    Verdict,
    counted,
    tallied,
    written,
)
from algorithms.mechanisms.quorum.record import Contribution, RoundRecord
from algorithms.mechanisms.quorum.rules import Rules


@dataclass
class Member:
    """What one worker knows. All members agree on `round`, `over`, `ended`, `failed`, `furthest` between two votes."""

    rank: int
    rules: Rules
    standing: Presence = Presence.TRAINING
    round: int = 0  # closed so far
    carrying: bool = False  # a round has begun that has not closed
    read: int = 0  # rounds closed when it took the centre that it computes from; kept where it may give up
    over: bool = False
    ended: bool = False
    failed: int | None = None
    steps: int = 0  # of its own behind it, once it takes no more
    furthest: int = 0  # the most that anybody had behind it, when all have ended
    offer: Contribution | None = None
    terms: Terms = PLAIN  # of the offer
    used: int = 0
    drops: int = 0
    staleness: dict[int, int] = field(default_factory=dict)
    records: list[RoundRecord] | None = None  # of all rounds, where asked for
    waiting: tuple[Contribution, ...] = ()  # dropped since the last round: the next record names them

    def offers(self, step: int, read: int, terms: Terms = PLAIN) -> None:
        """Put on offer what came of a step that began from the centre after `read` rounds."""
        if self.offer is not None:
            raise RuntimeError(f"worker {self.rank} offers step {step} while its step {self.offer.step} is on offer")
        if self.standing is not Presence.TRAINING:
            raise RuntimeError(f"worker {self.rank} offers step {step} after it has {self.standing.name.lower()}")
        self.terms = terms
        self.offer = Contribution(worker=self.rank, step=step, read=read)

    def leaves(self) -> None:
        """Offer nothing more. What is on offer stays there."""
        if self.standing is Presence.TRAINING:
            self.standing = Presence.LEFT

    def forgets(self) -> None:
        """Take back what is on offer, unless a vote has heard of it already."""
        self.offer = None

    def fails(self) -> None:
        """Say in the next vote that training has failed here."""
        self.standing = Presence.FAILED

    @property
    def futile(self) -> bool:
        """Whether what this worker computes could only be dropped, in every vote to come."""
        age = self.round + self.carrying - self.read
        return self.over or (self.offer is None and not self.rules.accept(age))

    @property
    def has_news(self) -> bool:
        """Whether the others wait for what this worker says in the next vote, or this worker for the vote."""
        return self.offer is not None or self.standing is not Presence.TRAINING

    def cast(self) -> Vector:
        """What goes into the vote."""
        step, read = (None, 0) if self.offer is None else (self.offer.step, self.offer.read)
        ballot = Ballot(standing=self.standing, step=step, read=read, terms=self.terms, ended=self.steps)
        return written(ballot, self.rank, self.rules.workers)

    def count(self, total: Vector) -> Verdict:
        """What the vote has decided. Where it begins a round, `close` must follow before the next `cast`."""
        verdict = counted(tallied(total, self.rules.workers), self.rules, self.round)
        if verdict.drops(self.rank):
            self.offer = None
            self.drops += 1
        self.waiting += verdict.dropped
        self.over, self.ended, self.failed = verdict.over, verdict.ended, verdict.failed
        self.furthest = verdict.furthest
        self.carrying = bool(verdict.taken)
        return verdict

    def close(self, verdict: Verdict) -> None:
        """The round has been carried out."""
        if self.records is not None:
            self.records.append(RoundRecord(round=self.round, taken=verdict.taken, dropped=self.waiting))
        self.waiting = ()
        if verdict.takes(self.rank) and self.offer is not None:
            age = self.round - self.offer.read
            self.staleness[age] = self.staleness.get(age, 0) + 1
            self.used += 1
            self.offer = None
        self.round += 1
        self.carrying = False
