"""What a worker says in a vote, how all of it travels as one small vector, and what everybody concludes from it.

Each worker writes into places of its own and leaves zeros in the others', so that the sum of all vectors is the list of
what everyone has said: one all-reduce, exact because the numbers are whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from algorithms.mechanisms.quorum.record import Contribution
from algorithms.mechanisms.quorum.rules import Rules, over, select

Vector = NDArray[np.int64]

TEXT_BYTES = 4096  # of an error's text that all workers see


class Presence(IntEnum):
    """What has become of a worker. Zero would be a worker that has said nothing."""

    TRAINING = 1
    LEFT = 2  # it offers no more, and serves rounds until everyone has left
    FAILED = 3


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What all replicas of the centre must know of an offer."""

    weight: float = 1.0  # how much it counts
    rate: float = 0.0  # the learning rate that its worker has in force
    mark: int = 0  # differs where the options of its worker's optimizer differ
    missing: int = 0  # differs where other parameters have no gradient; 0: all have one


PLAIN = Terms()


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """What one worker says in one vote."""

    standing: Presence = Presence.TRAINING
    step: int | None = None  # of its own, that made what it has on offer; None: nothing on offer
    read: int = 0  # rounds closed when it read the centre for that
    terms: Terms = PLAIN
    ended: int = 0  # steps of its own behind it, once it takes no more


WIDTH = 8


def written(ballot: Ballot, worker: int, workers: int) -> Vector:
    """One worker's vector. Real numbers travel as their bits, which the zeros of the others leave alone."""
    vector = np.zeros(workers * WIDTH, np.int64)
    own = vector[worker * WIDTH : (worker + 1) * WIDTH]
    step = 0 if ballot.step is None else ballot.step + 1
    terms = ballot.terms
    own[:6] = (ballot.standing, step, ballot.read, terms.mark, terms.missing, ballot.ended)
    own[6:].view(np.float64)[:] = (terms.weight, terms.rate)
    return vector


def tallied(total: Vector, workers: int) -> tuple[Ballot, ...]:
    """Everyone's ballots from the sum of the vectors."""
    ballots = []
    for worker, own in enumerate(total.reshape(workers, WIDTH)):
        standing, step, read, mark, missing, ended = own[:6].tolist()
        weight, rate = own[6:].view(np.float64).tolist()
        if standing not in tuple(Presence):
            raise RuntimeError(f"the vote of worker {worker} reads {standing}: not all workers run the same protocol")
        terms = Terms(weight=weight, rate=rate, mark=mark, missing=missing)
        made = step - 1 if step else None
        ballots.append(Ballot(standing=Presence(standing), step=made, read=read, terms=terms, ended=ended))
    return tuple(ballots)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a vote has decided, the same for everyone."""

    round: int  # rounds closed before this vote
    taken: tuple[Contribution, ...] = ()  # whose offers make the round that begins; none: no round
    dropped: tuple[Contribution, ...] = ()
    failed: int | None = None  # the first worker that has failed
    over: bool = False  # no round will ever begin again
    ended: bool = False  # nobody votes again
    terms: tuple[Terms, ...] = ()  # of the offers taken, in their order
    furthest: int = 0  # steps of the one that had most, of those that take no more

    @property
    def leader(self) -> int:
        """Which of the offers taken has come furthest, as a place among them; the first of several."""
        return max(range(len(self.taken)), key=lambda i: self.taken[i].step)

    def takes(self, worker: int) -> bool:
        return any(contribution.worker == worker for contribution in self.taken)

    def drops(self, worker: int) -> bool:
        return any(contribution.worker == worker for contribution in self.dropped)


def counted(ballots: tuple[Ballot, ...], rules: Rules, round: int) -> Verdict:  # noqa: A002 - the contract's word
    """What follows from everyone's ballots after so many closed rounds."""
    for worker, ballot in enumerate(ballots):
        if ballot.standing is Presence.FAILED:
            return Verdict(round=round, failed=worker, over=True, ended=True)
    offers = {
        worker: Contribution(worker=worker, step=ballot.step, read=ballot.read)
        for worker, ballot in enumerate(ballots)
        if ballot.step is not None
    }
    training = {worker for worker, ballot in enumerate(ballots) if ballot.standing is Presence.TRAINING}
    active = len(training | offers.keys())
    ages = {worker: round - offer.read for worker, offer in offers.items()}
    taken, dropped = select(ages, rules, round=round, active=active)
    return Verdict(
        round=round,
        taken=tuple(offers[worker] for worker in taken),
        dropped=tuple(offers[worker] for worker in dropped),
        over=over(rules, active),
        ended=not training and len(offers) == len(dropped),
        terms=tuple(ballots[worker].terms for worker in taken),
        furthest=max(ballot.ended for ballot in ballots),
    )


def spelt(text: str) -> Vector:
    """An error's text as a vector; what is too long is cut in the middle, where a traceback says least."""
    data = text.encode("utf-8", "replace")
    if len(data) > TEXT_BYTES:
        half = TEXT_BYTES // 2 - 8
        data = data[:half] + b"\n [...] \n" + data[-half:]
    return np.frombuffer(data[:TEXT_BYTES].ljust(TEXT_BYTES, b"\0"), np.int64).copy()


def silence() -> Vector:
    """What everyone else sends meanwhile."""
    return np.zeros(TEXT_BYTES // 8, np.int64)


def read_out(total: Vector) -> str:
    """The text again."""
    return total.tobytes().rstrip(b"\0").decode("utf-8", "replace")
