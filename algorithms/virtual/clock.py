"""Who comes when: workers' lives in virtual time. No mathematics here; `rounds` does that from the events."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from algorithms.contract import Moment, Rounds
from algorithms.life import Life, Outcome, Verb
from algorithms.mechanisms.quorum.rules import Rules, needed, over, select
from algorithms.virtual.compute import Draw
from algorithms.virtual.events import Close, Computed, Drop, Event, GiveUp, Offer, Read, Settle


class Clock:
    """Workers that compute, offer, wait or do not wait, and rounds that close one after the other.

    Everything that happens at one instant is in before a round begins; ties go by the worker's number.
    """

    def __init__(
        self,
        algorithm: Rounds,
        rules: Rules,
        draws: Sequence[Draw],
        steps: int,
        round_seconds: float,
    ) -> None:
        self.algorithm, self.rules, self.draws = algorithm, rules, draws
        self.steps = steps
        self.round_seconds = round_seconds
        self.lives = [Life(algorithm) for _ in draws]
        self.early = algorithm.departs is Moment.STEP_BEGINS  # a delay goes before what is offered then
        self.left = [0.0] * len(draws)  # to compute, of a step whose delay is over
        self.outcomes: list[Outcome | None] = [Outcome.TAKEN] * len(draws)  # of the last offers; None: still on offer
        self.attempts = [0] * len(draws)  # at computing; one that is given up never ends
        self.active = len(draws)  # workers that have steps left
        self.coming = 0  # offers of workers that have none
        self.stale = False  # there may be offers that no longer count
        self.round = 0
        self.ready: dict[int, int] = {}  # worker -> the round that its offer had read
        self.taken: tuple[int, ...] | None = None  # offers of the round under way
        self.heap: list[tuple[float, int, int]] = []  # (time, worker, attempt), worker -1 for the round under way

    def events(self) -> Iterator[Event]:
        """Everything that happens, in order."""
        for number in range(len(self.lives)):
            yield from self._live(number, 0.0)
        while self.heap:
            now = self.heap[0][0]
            while self.heap and self.heap[0][0] == now:
                _, number, attempt = heapq.heappop(self.heap)
                if number < 0:
                    yield from self._close(now)
                elif attempt == self.attempts[number]:
                    life = self.lives[number]
                    if life.verb is Verb.COMPUTE:
                        yield Computed(number, life.step, now)
                        life.answer()
                    else:
                        life.answer(True)  # its delay is over
                    yield from self._live(number, now)
            yield from self._gather(now)

    def _live(self, number: int, now: float) -> Iterator[Event]:
        """Carry out what a life asks for, until it is delayed, computes, waits or ends."""
        life = self.lives[number]
        while True:
            match life.verb:
                case Verb.BEGIN:
                    begins = life.step < self.steps and not over(self.rules, self.active)
                    if begins and self.early:
                        spent = self.draws[number]()
                        self.left[number] = spent.compute
                        if spent.injected:
                            heapq.heappush(self.heap, (now + spent.injected, number, self.attempts[number]))
                            return
                    life.answer(begins)
                case Verb.OFFER:
                    self.outcomes[number] = None
                    self.ready[number] = life.read
                    self.stale |= life.read < self.round
                    yield Offer(number, life.read, now)
                    life.answer()
                case Verb.COMPUTE:
                    seconds = self.left[number] if self.early else self.draws[number]().seconds
                    heapq.heappush(self.heap, (now + seconds, number, self.attempts[number]))
                    return
                case Verb.WAIT:
                    if self.outcomes[number] is None:
                        return
                    life.answer(self.outcomes[number])
                case Verb.LOOK:
                    life.answer(self.outcomes[number])
                case Verb.ADOPT | Verb.ADOPT_LATE:
                    yield Settle(number, now)
                    life.answer(self.round)
                case Verb.READ:
                    yield Read(number, now)
                    life.answer(self.round)
                case Verb.ANEW:  # as `Drop` or `GiveUp` has said
                    life.answer(self.round)
                case Verb.LEAVE:
                    self.active -= 1
                    self.coming += self.outcomes[number] is None
                    return

    def _decided(self, number: int, outcome: Outcome, now: float) -> Iterator[Event]:
        """An offer is on offer no more; its worker goes on if it has waited for that."""
        self.outcomes[number] = outcome
        life = self.lives[number]
        self.coming -= life.verb is Verb.LEAVE
        if outcome is Outcome.DROPPED:
            yield Drop(number, now)
        if life.verb is Verb.WAIT:
            yield from self._live(number, now)

    def _gather(self, now: float) -> Iterator[Event]:
        """Drop what no longer counts; begin a round if there are offers enough."""
        while self.taken is None and self.ready:
            active = self.active + self.coming
            ended = over(self.rules, active)
            if len(self.ready) < needed(self.rules.quorum, active) and not self.stale and not ended:
                return
            ages = {number: self.round - read for number, read in self.ready.items()}
            taken, dropped = select(ages, self.rules, round=self.round, active=active)
            self.stale = False
            for number in taken:
                del self.ready[number]
            if taken:
                self.taken = taken
                heapq.heappush(self.heap, (now + self.round_seconds, -1, 0))
            for number in dropped:
                del self.ready[number]
                yield from self._decided(number, Outcome.DROPPED, now)
            if not dropped:
                return

    def _close(self, now: float) -> Iterator[Event]:
        taken, self.taken = self.taken or (), None
        yield Close(taken, now)
        self.round += 1
        self.stale = True
        for number in taken:
            yield from self._decided(number, Outcome.TAKEN, now)
        if self.algorithm.gives_up:
            yield from self._give_up(now)

    def _give_up(self, now: float) -> Iterator[Event]:
        """Workers whose gradient could not count any more stop computing it and begin anew."""
        for number, life in enumerate(self.lives):
            if life.verb is Verb.COMPUTE and not self.rules.accept(self.round - life.read):
                self.attempts[number] += 1
                yield GiveUp(number, now)
                life.answer(Outcome.IN_VAIN)
                yield from self._live(number, now)


def alone(algorithm: Rounds, workers: int) -> None:
    """Refuse an algorithm whose rounds cannot close over one worker at a time."""
    if not (algorithm.waits and algorithm.quorum(workers) == 1 and algorithm.overlap == 0):
        raise ValueError(f"arrivals='round_robin': {algorithm.name} closes no rounds over one worker that waits")


def round_robin(algorithm: Rounds, workers: int, steps: int, draws: Sequence[Draw], seconds: float) -> Iterator[Event]:
    """One worker after the other, whatever the time: each takes a step, and a round with its offer alone closes."""
    lives = [Life(algorithm) for _ in range(workers)]
    now, rounds = 0.0, 0
    for step in range(steps):
        for number, life in enumerate(lives):
            life.answer(True)
            while life.verb is not Verb.BEGIN:
                match life.verb:
                    case Verb.OFFER:
                        yield Offer(number, life.read, now)
                        life.answer()
                    case Verb.COMPUTE:
                        now += draws[number]().seconds
                        yield Computed(number, step, now)
                        life.answer()
                    case Verb.WAIT:
                        now += seconds
                        yield Close((number,), now)
                        rounds += 1
                        life.answer(Outcome.TAKEN)
                    case _:
                        yield Settle(number, now)
                        life.answer(rounds)
