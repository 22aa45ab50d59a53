"""Rounds of copies: each worker's own optimizer moves its own copy, and the copies meet around the centre."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from algorithms.contract import Centre, Own, Rounds, Situation
from algorithms.mechanisms.quorum.ballot import Terms, Verdict
from algorithms.mechanisms.quorum.part import Part, part_in
from algorithms.tensorflow.arrays import Array, shared_memory
from algorithms.tensorflow.driver import Attached
from algorithms.tensorflow.rounds.replica import Held, Replica
from algorithms.tensorflow.rounds.wire import RoundsWire


@dataclass(frozen=True)
class ClosedRound:
    """What came of the round that took it."""

    contributions: tuple[Array, ...]
    centre: tuple[Centre, ...]
    rounds: int  # closed then, this one included


class CopyWork:
    """What a worker's helper does in a round of copies, and what its training thread does around it."""

    def __init__(self, algorithm: Rounds, attached: Attached, variables: Sequence[Any]) -> None:
        self.algorithm, self.rank, self.workers = algorithm, attached.rank, attached.workers
        attached.optimizer.build(list(variables))
        create = attached.outer.add_variable_from_reference
        self.variables = tuple(variables)
        self.count = len(variables)
        self.replica = Replica(algorithm, variables, create)
        probe = algorithm.own(np.zeros(1))
        if probe.multiplier is not None:
            raise ValueError(f"{algorithm.name} keeps a dual variable, which this binding does not")
        self.anchor = Held(variables, create, "anchor") if probe.anchor is not None else None
        self.whole = threading.Lock()  # held while the centre is between two rounds
        self.rounds = 0  # that the centre has seen
        self.keeps_offered = algorithm.adopts_late and algorithm.late_reads_offered
        self.stands_still = algorithm.waits and not algorithm.adopts_late  # while a round has what it offered
        self.given: tuple[Own, ...] = ()  # what this worker held when it offered, as long as it is asked for
        self.outcome: ClosedRound | None = None
        self.held_bytes = 0

    @property
    def beside(self) -> tuple[Any, ...]:
        """Variables that are this worker's own beside its parameters."""
        return () if self.anchor is None else self.anchor.variables

    def begin(self, parameters: Sequence[Array]) -> None:
        """Start from the model's parameters."""
        for number, x in enumerate(parameters):
            self.replica.put(number, self.algorithm.centre(x))
            if self.anchor is not None:
                self.anchor.put(number, self.algorithm.own(x).anchor)

    def local(self, moved: Any, anchor: Any, rate: Any) -> Own:
        """What follows from a local step, in a graph: of all that rules may read the learning rate alone is known there."""
        situation = replace(self._situation(), learning_rate=rate)
        return self.algorithm.local(Own(parameters=None, anchor=anchor), moved, Centre(), situation)

    # -- the training thread

    def capture(self, own: Sequence[Own], rate: float) -> Terms:
        """Offer the copy as it is now; nobody will write into these arrays."""
        self.given, self.outcome = tuple(own), None
        return Terms(rate=rate)

    def adopt(self, own: Sequence[Own], *, late: bool) -> tuple[list[Own], int]:
        """This worker after the round that took its offer, and how many rounds the centre had seen then."""
        given, outcome = self.given or (Own(parameters=None),) * self.count, self.outcome
        assert outcome is not None
        self.forget()
        parts = zip(own, given, outcome.contributions, outcome.centre, strict=True)
        if not late:
            return [self.algorithm.adopt(now, gave, centre) for now, _, gave, centre in parts], outcome.rounds
        taken = [self.algorithm.adopt_late(now, then, gave, centre) for now, then, gave, centre in parts]
        return taken, outcome.rounds

    def forget(self) -> None:
        """Nothing is on offer any more."""
        self.given, self.outcome = (), None

    def refresh(self, own: Sequence[Own]) -> tuple[list[Own], int]:
        """This worker where it takes the centre as it is; where there is none it stays as it is."""
        with self.whole:
            centres = [self.replica.at(number) for number in range(self.count)]
            taken = [
                now if centre.parameters is None else self.algorithm.own(centre.parameters)
                for now, centre in zip(own, centres, strict=True)
            ]
            return taken, self.rounds

    # -- the helper thread

    def carry(self, verdict: Verdict, wire: RoundsWire) -> list[Array]:
        """Add up what is offered and let the algorithm's rules move the centre, which is returned."""
        part = part_in(verdict, self.rank, workers=self.workers, rate=verdict.terms[verdict.leader].rate)
        sent = tuple(self._sent(part))
        if part.present and not self.keeps_offered:
            self.given = ()
        totals = wire.exchange(sent, present=part.present)
        centres = []
        with self.whole:
            for number in range(self.count):
                closed = self.algorithm.close(self.replica.at(number), next(totals), part.closing)
                centres.append(self.replica.settle(number, closed))
                self.replica.grow_average(number, verdict.round + 1)
            self.rounds = verdict.round + 1
        if part.present:
            contributions = tuple(shared_memory(tensor) for tensor in sent)
            self.outcome = ClosedRound(contributions, tuple(centres), self.rounds)
            self.held_bytes = 0 if self.algorithm.offers_itself else sum(array.nbytes for array in contributions)
        return [centre.parameters for centre in centres]

    def _sent(self, part: Part) -> Iterator[tf.Tensor]:
        for number, variable in enumerate(self.variables):
            if not (part.present and self.given):
                yield tf.zeros(variable.shape, variable.dtype)
            elif self.algorithm.offers_itself and self.stands_still:
                yield variable.value.read_value()  # without a copy
            else:
                yield tf.constant(self.algorithm.offer(self.given[number], self.replica.at(number), part.offering))

    def _situation(self) -> Situation:
        return Situation(workers=self.workers, round=0)

    @property
    def bytes(self) -> int:
        """With what travels in a round, where that is not the parameters themselves."""
        anchor = 0 if self.anchor is None else self.anchor.bytes
        return self.replica.bytes + anchor + self.held_bytes
