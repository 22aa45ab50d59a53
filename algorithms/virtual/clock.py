"""Who comes when: the events of `Rounds` in virtual time. No mathematics here; `rounds` does that from the events."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from algorithms.contract import Moment, Rounds
from algorithms.mechanisms.quorum import Rules, needed, over, select
from algorithms.virtual.compute import Draw
from algorithms.virtual.events import Close, Compute, Drop, Event, GiveUp, Offer, Read, Settle


@dataclass
class Worker:
    """Where one worker stands."""

    step: int = 0
    read: int = 0  # the round whose centre it last took
    offered: int | None = None  # the step of its offer that no round has taken yet
    due: int | None = None  # the local step after which it adopts the round that takes (or took) its offer
    attempt: int = 0  # at computing; one that is given up never ends
    held: bool = False  # computed a step, cannot go on yet
    left: bool = False


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
        self.workers = [Worker() for _ in draws]
        self.active = len(self.workers)  # workers that have steps left
        self.coming = 0  # offers of workers that have none
        self.stale = False  # there may be offers that no longer count
        self.round = 0
        self.ready: dict[int, int] = {}  # worker -> the round that its offer had read
        self.taken: tuple[int, ...] | None = None  # offers of the round under way
        self.heap: list[tuple[float, int, int]] = []  # (time, worker, attempt), worker -1 for the round under way

    def events(self) -> Iterator[Event]:
        """Everything that happens, in order."""
        for number in range(len(self.workers)):
            yield from self._begin(number, 0.0)
        while self.heap:
            now = self.heap[0][0]
            while self.heap and self.heap[0][0] == now:
                _, number, attempt = heapq.heappop(self.heap)
                if number < 0:
                    yield from self._close(now)
                elif attempt == self.workers[number].attempt:
                    yield from self._computed(number, now)
            yield from self._gather(now)

    def _begin(self, number: int, now: float) -> Iterator[Event]:
        worker = self.workers[number]
        if worker.step >= self.steps:
            yield from self._leave(number, now)
            return
        if self.algorithm.departs is Moment.STEP_BEGINS and self.algorithm.meets(worker.step):
            yield from self._offer(number, now)
        heapq.heappush(self.heap, (now + self.draws[number](), number, worker.attempt))

    def _leave(self, number: int, now: float) -> Iterator[Event]:
        worker = self.workers[number]
        if worker.due is not None and worker.offered is None:
            worker.due = None
            yield Settle(number, now)
        elif worker.due is not None and self.algorithm.waits:
            worker.held = True  # for the result of its last round
            return
        worker.left = True
        self.active -= 1
        self.coming += worker.offered is not None

    def _offer(self, number: int, now: float) -> Iterator[Event]:
        worker = self.workers[number]
        worker.offered = worker.step
        worker.due = worker.step + self.algorithm.overlap
        self.ready[number] = worker.read
        self.stale |= worker.read < self.round
        yield Offer(number, now)

    def _computed(self, number: int, now: float) -> Iterator[Event]:
        worker = self.workers[number]
        yield Compute(number, worker.step, now)
        offers = self.algorithm.departs is not Moment.STEP_BEGINS and self.algorithm.meets(worker.step)
        if offers and worker.offered is not None:
            worker.held = True  # its last offer has not been taken yet, and it may have one only
            return
        if offers:
            yield from self._offer(number, now)
        yield from self._go_on(number, now)

    def _go_on(self, number: int, now: float) -> Iterator[Event]:
        """After a step: adopt what is due, wait if it is not there, or begin the next step."""
        worker = self.workers[number]
        worker.held = False
        if not self.algorithm.waits:
            if worker.offered == worker.step:
                yield Read(number, now)
                worker.read = self.round
        elif worker.due == worker.step:
            if worker.offered is not None:
                worker.held = True
                return
            yield from self._settle(number, now)
            return
        worker.step += 1
        yield from self._begin(number, now)

    def _settle(self, number: int, now: float) -> Iterator[Event]:
        worker = self.workers[number]
        yield Settle(number, now)
        worker.due, worker.read, worker.held = None, self.round, False
        worker.step = self.round if self.algorithm.tagged else worker.step + 1
        yield from self._begin(number, now)

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
                yield from self._drop(number, now)
            if not dropped:
                return

    def _drop(self, number: int, now: float) -> Iterator[Event]:
        worker = self.workers[number]
        del self.ready[number]
        worker.offered = worker.due = None
        self.coming -= worker.left
        yield Drop(number, now)
        if not self.algorithm.waits:  # it has read a newer centre already and gone on
            if worker.held:
                yield from self._offer(number, now)
                yield from self._go_on(number, now)
            return
        worker.read = self.round
        worker.step = self.round if self.algorithm.tagged else worker.step + 1
        if over(self.rules, self.active):
            yield from self._leave(number, now)
            return
        yield from self._begin(number, now)

    def _close(self, now: float) -> Iterator[Event]:
        taken, self.taken = self.taken or (), None
        yield Close(taken, now)
        self.round += 1
        self.stale = True
        for number in taken:
            worker = self.workers[number]
            worker.offered = None
            self.coming -= worker.left
            if not worker.held:
                continue
            if self.algorithm.waits:
                yield from self._settle(number, now)
            else:
                yield from self._offer(number, now)
                yield from self._go_on(number, now)
        if self.algorithm.gives_up:
            yield from self._give_up(now)

    def _give_up(self, now: float) -> Iterator[Event]:
        """Workers whose gradient could not count any more stop computing it and begin anew."""
        for number, worker in enumerate(self.workers):
            computing = not worker.left and worker.offered is None
            if computing and not self.rules.accept(self.round - worker.read):
                worker.attempt += 1
                worker.read = self.round
                worker.step = self.round if self.algorithm.tagged else worker.step
                yield GiveUp(number, now)
                yield from self._begin(number, now)


def alone(algorithm: Rounds, workers: int) -> None:
    """Refuse an algorithm whose rounds cannot close over one worker at a time."""
    if not (algorithm.waits and algorithm.quorum(workers) == 1 and algorithm.overlap == 0):
        raise ValueError(f"arrivals='round_robin': {algorithm.name} closes no rounds over one worker that waits")


def round_robin(algorithm: Rounds, workers: int, steps: int, draws: Sequence[Draw], seconds: float) -> Iterator[Event]:
    """One worker after the other, whatever the time: each takes a step, and a round with its offer alone closes."""
    now = 0.0
    for step in range(steps):
        for number in range(workers):
            early, meets = algorithm.departs is Moment.STEP_BEGINS, algorithm.meets(step)
            if early and meets:
                yield Offer(number, now)
            now += draws[number]()
            yield Compute(number, step, now)
            if meets:
                if not early:
                    yield Offer(number, now)
                now += seconds
                yield Close((number,), now)
                yield Settle(number, now)
