"""A real run's rounds as events, so that the virtual driver can do the same training again and be compared with it.

Real processes record for each round which of a worker's steps were in it and which centre that worker had read. That is
all their mathematics depends on: it answers what their lives ask.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from algorithms.contract import Moment, Rounds
from algorithms.life import Life, Outcome, Verb
from algorithms.mechanisms.quorum.record import Contribution, RoundRecord
from algorithms.virtual.events import Close, Computed, Drop, Event, Offer, Read, Recording, Settle


def recording(algorithm: Rounds, records: Sequence[RoundRecord], workers: int) -> Recording:
    """What `Cluster.run(replay=...)` takes, from what the processes wrote."""
    for expected, record in enumerate(records):
        if record.round != expected:
            raise ValueError(f"round {record.round} stands where round {expected} should: records are missing")
    return Recording(workers, tuple(_events(algorithm, records, workers)))


def _events(algorithm: Rounds, records: Sequence[RoundRecord], workers: int) -> Iterator[Event]:
    lives = [_Recorded(algorithm, number) for number in range(workers)]
    for record in records:
        for contribution in (*record.dropped, *record.taken):
            lives[contribution.worker].coming.append(contribution)
    for record in records:
        for life in lives:
            yield from life.lives(record.round)
        for contribution in record.dropped:
            yield Drop(contribution.worker, float(record.round))
            yield from lives[contribution.worker].decided(contribution, Outcome.DROPPED, record.round)
        yield Close(tuple(contribution.worker for contribution in record.taken), float(record.round))
        for contribution in record.taken:
            yield from lives[contribution.worker].decided(contribution, Outcome.TAKEN, record.round + 1)
    for life in lives:
        yield from life.lives(len(records))


class _Recorded:
    """One worker's life, answered as the records say that it was."""

    def __init__(self, algorithm: Rounds, number: int) -> None:
        self.life, self.number = Life(algorithm), number
        self.gradients = algorithm.departs is Moment.BACKWARD_ENDED
        self.coming: deque[Contribution] = deque()  # what it has still to offer
        self.offered: Contribution | None = None
        self.outcome = Outcome.TAKEN

    def decided(self, contribution: Contribution, outcome: Outcome, rounds: int) -> Iterator[Event]:
        """What it had on offer has been taken or dropped, and so many rounds are closed."""
        if self.offered != contribution:
            raise ValueError(f"the records say {contribution}, where its worker can only have offered {self.offered}")
        self.offered, self.outcome = None, outcome
        yield from self.lives(rounds)

    def lives(self, rounds: int) -> Iterator[Event]:
        """Go on as far as it can while so many rounds are closed."""
        life, now = self.life, float(rounds)
        while life.verb is not Verb.LEAVE:
            match life.verb:
                case Verb.BEGIN:
                    due = life.standing.due
                    life.answer(bool(self.coming) or (due is not None and life.step <= due))
                case Verb.COMPUTE if self._leaves_out_this_step():
                    life.answer(Outcome.IN_VAIN)
                case Verb.COMPUTE:
                    yield Computed(self.number, life.step, now)
                    life.answer()
                case Verb.OFFER:
                    self.offered = self.coming.popleft() if self.coming else None
                    if self.offered != Contribution(worker=self.number, step=life.step, read=life.read):
                        raise ValueError(
                            f"the records say {self.offered}, where worker {self.number} offers what came of step "
                            f"{life.step} from the centre after {life.read} rounds"
                        )
                    yield Offer(self.number, life.read, now)
                    life.answer()
                case Verb.WAIT if self.offered is not None:
                    return
                case Verb.WAIT:
                    life.answer(self.outcome)
                case Verb.LOOK:
                    life.answer(self.outcome if self.offered is None else None)
                case verb:
                    if self.coming and self.coming[0].read > rounds:
                        return  # it took the centre later
                    adopts = verb in (Verb.ADOPT, Verb.ADOPT_LATE)
                    yield Settle(self.number, now) if adopts else Read(self.number, now)
                    life.answer(rounds)

    def _leaves_out_this_step(self) -> bool:
        """Whether nothing came of it: it was given up, or had no usable gradient."""
        return self.gradients and bool(self.coming) and self.life.step < self.coming[0].step
