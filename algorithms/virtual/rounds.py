"""The mathematics of `Rounds`, event by event: the algorithm's own rules on vectors, nothing else."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice, pairwise
from typing import Any

from algorithms.adasum import adaptive_sum
from algorithms.contract import Own, Place, Reduction, Rounds, Situation
from algorithms.virtual.ahead import asking_ahead
from algorithms.virtual.carriage import Carriage
from algorithms.virtual.events import Close, Computed, Drop, Event, GiveUp, Offer, Read, Recording, Settle
from algorithms.virtual.gradients import Gradients, Owed
from algorithms.virtual.optimizers import Optimizer, Vector, rate
from algorithms.virtual.trace import Trace, Watch
from algorithms.wire import NONE

STATE = ("own", "centre", "slots", "weights", "given", "contributions", "seen", "trace")
LOOK_AHEAD = 8  # events of each worker; one that computes, offers, waits and goes on has four


@dataclass(frozen=True)
class Given:
    """What a worker held when it offered."""

    own: Own
    known: int  # rounds of the centre that it started from
    weight: int


class RoundsRun:
    """All workers and the centre of one run."""

    def __init__(
        self,
        algorithm: Rounds,
        optimizer: Optimizer,
        x: Vector,
        workers: int,
        gradients: Gradients,
        layers: tuple[int, ...],
        carriage: Carriage,
        record: int,
        keep_workers: bool,
    ) -> None:
        self.carriage = carriage
        self.algorithm, self.optimizer, self.gradients = algorithm, optimizer, gradients
        self.centred = algorithm.optimizer_at is Place.CENTRE
        self.spans = [slice(a, b) for a, b in pairwise((0, *accumulate(layers)))]
        self.x = x
        self.own = [algorithm.own(x) for _ in range(workers)]
        self.centre = algorithm.centre(x)
        self.slots = [optimizer.begin(x) for _ in range(1 if self.centred else workers)]
        self.weights = [1] * workers
        self.given: list[Given | None] = [None] * workers
        self.contributions: list[Vector | None] = [None] * workers
        # Gradients that are summed are left undone until they count; a lone one is asked for when its worker begins it.
        several = self.centred and (algorithm.quorum(workers) > 1 or algorithm.tagged) and not algorithm.needs_norm
        self.owes = several and gradients.source is not None and carriage.form == NONE
        self.asks = not several and gradients.source is not None and gradients.source.looks_ahead
        self.seen = 0  # events dealt with
        self.record, self.keep_workers = record, keep_workers
        self.trace = Trace(used=[0] * workers, dropped=[0] * workers, given_up=[0] * workers)
        self._note(0.0)

    def run(
        self,
        events: Iterable[Event],
        *,
        keep_events: bool,
        watch: Watch,
        resume: Mapping[str, Any] | None = None,
    ) -> Trace:
        """Do what the events say."""
        kept: list[Event] = []
        if resume is not None:
            events = self._restore(resume, events)
        now, closed, over = 0.0, False, False
        for event in self._asking(events):
            if closed and event.time > now:
                closed = False
                over = watch.settled(self, now)
                if over:
                    break
            now = event.time
            if keep_events:
                kept.append(event)
            self._do(event, watch)
            self.seen += 1
            closed |= isinstance(event, Close)
        if not over:
            watch.settled(self, now)
        if self.trace.seconds[-1] != now or (self.record and self.trace.rounds % self.record):
            self._note(now)
        self.trace.workers = [own.parameters for own in self.own]
        if keep_events:
            self.trace.recording = Recording(len(self.own), tuple(kept))
        return self.trace

    def evaluated(self) -> Sequence[Vector]:
        if self.centre.average is not None:
            return [self.centre.average]
        if self.centre.parameters is not None:
            return [self.centre.parameters]
        return [own.parameters for own in self.own]

    def state(self) -> Mapping[str, Any]:
        state = {name: list(held) if isinstance(held := self.__dict__[name], list) else held for name in STATE}
        return state | {"memories": dict(self.carriage.memories)}

    def _restore(self, state: Mapping[str, Any], events: Iterable[Event]) -> Iterator[Event]:
        """The clock goes the same way again; no gradient does."""
        self.__dict__.update({name: state[name] for name in STATE})
        self.carriage.memories = dict(state["memories"])
        return islice(events, self.seen, None)

    def _asking(self, events: Iterable[Event]) -> Iterable[Event]:
        source = self.gradients.source
        if not self.asks or source is None:
            return events

        def ask(worker: int, step: int) -> None:
            if self.gradients.weight(worker, step):
                source.ahead(worker, step, self.own[worker].parameters)

        return asking_ahead(events, len(self.own), LOOK_AHEAD * len(self.own), ask)

    def _do(self, event: Event, watch: Watch) -> None:
        match event:
            case Computed(worker, step):
                watch.computed(worker, step, event.time)
                self._compute(worker, step)
            case Offer(worker, read):
                self.given[worker] = Given(self.own[worker], read, self.weights[worker])
            case Close(taken):
                self._close(taken, event.time)
            case Settle(worker):
                self._settle(worker)
            case Read(worker):
                self._read(worker)
            case Drop(worker):
                self.trace.dropped[worker] += 1
                self.given[worker] = None
                if self.algorithm.waits:
                    self._read(worker)
            case GiveUp(worker):
                watch.gave_up(worker, event.time)
                self.trace.given_up[worker] += 1
                self._read(worker)

    def _situation(self, contributions: int = 1, staleness: int = 0) -> Situation:
        return Situation(
            workers=len(self.own),
            round=self.trace.rounds,
            contributions=contributions,
            staleness=staleness,
            learning_rate=rate(self.optimizer, self.slots[0]),
        )

    def _compute(self, worker: int, step: int) -> None:
        own = self.own[worker]
        weight = self.weights[worker] = self.gradients.weight(worker, step)
        if self.centred:
            if self.owes:
                gradient: Any = Owed(worker, step, own.parameters, 1.0 if weight else 0.0)
            else:
                gradient = self.gradients(worker, step, own.parameters) if weight else own.parameters * 0
            norm = float(gradient @ gradient) ** 0.5 if self.algorithm.needs_norm else None
            self.own[worker] = replace(own, gradient=gradient, gradient_norm=norm)
        elif weight:
            gradient = self.gradients(worker, step, own.parameters)
            moved, self.slots[worker] = self.optimizer.step(own.parameters, gradient, self.slots[worker])
            self.own[worker] = self.algorithm.local(own, moved, self.centre, self._situation())

    def _close(self, taken: tuple[int, ...], now: float) -> None:
        contributions = []
        for worker in taken:
            given = self.given[worker]
            assert given is not None
            age = self.trace.rounds - given.known
            contribution = self.algorithm.offer(given.own, self.centre, self._situation(staleness=age))
            self.contributions[worker] = contribution
            contributions.append((worker, contribution, given.weight))
            self.trace.staleness.append(age)
            self.trace.whose.append(worker)
            self.trace.used[worker] += 1
        situation = self._situation(len(taken))
        if not self.centred:
            self.centre = self.algorithm.close(self.centre, self._reduce(contributions), situation)
        elif any(weight for _, _, weight in contributions):  # else nobody had a sample
            gradient = self.algorithm.combine(self._reduce(contributions), situation)
            parameters, self.slots[0] = self.optimizer.step(self.centre.parameters, gradient, self.slots[0])
            self.centre = replace(self.centre, parameters=parameters)
        self.trace.rounds += 1
        if self.centre.average is not None:
            average = self.algorithm.averaged(self.centre.average, self.centre.parameters, self.trace.rounds)
            self.centre = replace(self.centre, average=average)
        self.trace.bytes_sent += self.algorithm.bytes_per_exchange(len(self.own), self.carriage.bytes(self.x.itemsize))
        if self.record and self.trace.rounds % self.record == 0:
            self._note(now)

    def _reduce(self, contributions: list[tuple[int, Any, int]]) -> Vector:
        if self.algorithm.reduction is Reduction.ADASUM:
            total = self.x * 0
            for span in self.spans:
                total[span] = adaptive_sum([part[span] for _, part, _ in contributions], operator.matmul)
            return total
        weights = [weight for _, _, weight in contributions]
        if self.centred and min(weights) != max(weights):
            scale = len(weights) / sum(weights)  # so that the mean over contributions becomes the mean over samples
            contributions = [(worker, c * (weight * scale), weight) for worker, c, weight in contributions]
        if self.carriage.form != NONE:
            sent = {worker: c for worker, c, weight in contributions if weight or not self.centred}
            coded: Vector = self.carriage([sent.get(worker) for worker in range(len(self.own))])
            return coded
        if self.owes:
            return self.gradients.owed([owed for _, owed, _ in contributions])
        total = contributions[0][1]
        for _, contribution, _ in contributions[1:]:
            total = total + contribution
        return total

    def _settle(self, worker: int) -> None:
        given, contribution = self.given[worker], self.contributions[worker]
        assert given is not None
        own = self.own[worker]
        self.own[worker] = (
            self.algorithm.adopt(own, contribution, self.centre)
            if own is given.own
            else self.algorithm.adopt_late(own, given.own, contribution, self.centre)
        )
        self.given[worker] = self.contributions[worker] = None

    def _read(self, worker: int) -> None:
        self.own[worker] = self.algorithm.own(self.centre.parameters)

    def _note(self, now: float) -> None:
        shared = self.centre.parameters if self.centre.parameters is not None else self.own[0].parameters
        self.trace.parameters.append(shared)
        self.trace.averages.append(shared if self.centre.average is None else self.centre.average)
        self.trace.seconds.append(now)
        if self.keep_workers:
            self.trace.history.append([own.parameters for own in self.own])
