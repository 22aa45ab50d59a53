"""One worker's life beside its helper thread: what it asks of both, the same in every binding.

A binding says when a step begins and ends, and moves the parameters; the helper votes and carries out rounds. Between them
stands the life of `algorithms.life`, which says what happens when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from algorithms.contract import Rounds
from algorithms.life import Life, Outcome, Standing, Verb
from algorithms.mechanisms.quorum.ballot import Terms
from algorithms.mechanisms.quorum.helper import Helper, RoundWire, Work
from algorithms.mechanisms.quorum.member import Member
from algorithms.mechanisms.quorum.record import RoundRecord
from algorithms.mechanisms.quorum.rules import rules
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher


class Hands(Protocol):
    """What a binding does to the parameters when a life asks for it. Called from the training thread."""

    def offer(self) -> Terms:
        """Keep what this worker holds now, for the round that takes it."""

    def adopt(self, *, late: bool) -> int:
        """Take what came of that round; `late` where the worker has gone on since. How many rounds the centre has seen."""

    def read(self) -> int:
        """Take the centre as it is. How many rounds it has seen."""

    def anew(self) -> int:
        """The same, and forget what nothing has come of."""


class Worker:
    """Beside it, from its first step until it finishes, a helper votes and carries out rounds."""

    def __init__(
        self,
        algorithm: Rounds,
        *,
        rank: int,
        workers: int,
        clock: Callable[[], float],
        late: threading.Event | None = None,
    ) -> None:
        self.algorithm, self.rank, self.clock, self.late = algorithm, rank, clock, late
        self.rules = rules(algorithm, workers)
        self.records: list[RoundRecord] | None = None  # of all rounds, where asked for
        self.watcher: Watcher | None = None
        self.past = Telemetry()  # of helpers that have finished
        self._begin(0, Standing())

    def _begin(self, rounds: int, standing: Standing) -> None:
        self.member = Member(rank=self.rank, rules=self.rules, round=rounds, records=self.records)
        self.helper: Helper | None = None
        self.life = Life(self.algorithm, standing)
        self.steps = self.given_up = 0
        self._drops = 0  # of its offers when it made the last one
        if self.late is not None:
            self.late.clear()

    def renew(self, rounds: int) -> None:
        """Go on behind the end that all have met at: from the step of the one that had come furthest.

        All from the same one, because those that meet at a step must come to it together; and none from 0, where a
        warm-up would begin again, and options set meanwhile would count as older than those in force.
        """
        self.past = self.telemetry()
        step = rounds if self.algorithm.tagged else self.member.furthest
        self._begin(rounds, Standing(step=step, read=rounds))

    def resume(self, rounds: int, standing: Standing) -> None:
        """Go on from a saved state."""
        self.past = self.telemetry()
        self._begin(rounds, standing)

    def keep_records(self) -> list[RoundRecord]:
        """From now on write down who was in which round; equal on all ranks, and what the virtual driver can replay."""
        if self.records is None:
            self.records = self.member.records = []
        return self.records

    def start(self, wire: RoundWire, work: Work, trainer: threading.Thread | None = None) -> Helper:
        """The helper, which lives from now on; beside this thread, unless another is the one that trains."""
        self.helper = Helper(self.member, wire, work, clock=self.clock, late=self.late)
        self.helper.trainer = trainer or self.helper.trainer
        self.helper.watcher = self.watcher
        self.helper.takes(self.life.read)
        self.helper.start()
        return self.helper

    def watch(self, watcher: Watcher) -> None:
        self.watcher = watcher
        if self.helper is not None:
            self.helper.watcher = watcher

    @property
    def over(self) -> bool:
        """Whether training has ended, and not because it failed: a failure tells its reason by itself."""
        return self.member.over and self.member.failed is None

    @property
    def offering(self) -> bool:
        """Whether something of it is on offer, or in a round that has not closed."""
        return self.member.offer is not None

    def wait(self) -> None:
        """Until nothing is on offer: the last offer is in a round that has closed, or was dropped."""
        if self.helper is not None:
            self.helper.settled()

    def begins(self) -> None:
        """The next step begins, unless it has."""
        if self.life.verb is Verb.BEGIN:
            self.life.answer(True)

    def computed(self, *, in_vain: bool = False) -> None:
        """The step has been computed; `in_vain` where nothing can come of it."""
        self.life.answer(Outcome.IN_VAIN if in_vain else None)

    def ends(self, hands: Hands) -> None:
        """There is no further step: adopt what is due, and let the others know how many there were."""
        self.member.steps = self.life.step
        while self.life.verb is not Verb.LEAVE:
            if self.life.verb is Verb.BEGIN:
                self.life.answer(False)
            elif self.life.verb is Verb.COMPUTE:
                self.life.answer(Outcome.ENDED)
            self.carries_on(hands)

    def carries_on(self, hands: Hands) -> None:
        """Carry out what the life asks for, until it is the training loop's turn."""
        life = self.life
        while True:
            match life.verb:
                case Verb.OFFER:
                    self._offer(hands.offer())
                    life.answer()
                case Verb.WAIT:
                    self.wait()
                    life.answer(self._outcome)
                case Verb.LOOK:
                    life.answer(None if self.offering else self._outcome)
                case Verb.ADOPT | Verb.ADOPT_LATE:
                    self._takes(hands.adopt(late=life.verb is Verb.ADOPT_LATE))
                case Verb.READ:
                    self._takes(hands.read())
                case Verb.ANEW:
                    if self.helper is not None and self.algorithm.gives_up:
                        self.helper.closed()  # from the centre before the round under way it would be in vain again
                    self._takes(hands.anew())
                case Verb.BEGIN | Verb.COMPUTE | Verb.LEAVE:
                    return

    def _offer(self, terms: Terms) -> None:
        assert self.helper is not None
        self._drops = self.member.drops
        self.helper.offer(self.life.step, self.life.read, terms)

    @property
    def _outcome(self) -> Outcome:
        return Outcome.TAKEN if self.member.drops == self._drops else Outcome.DROPPED

    def _takes(self, rounds: int) -> None:
        self.life.answer(rounds)
        if self.helper is not None:
            self.helper.takes(self.life.read)

    def telemetry(
        self, *, rounds: int = 0, bytes_sent: int = 0, payload_seconds: float = 0.0, memory_bytes: int = 0
    ) -> Telemetry:
        """With what the binding has counted."""
        member, helper, past = self.member, self.helper, self.past
        ages = sorted({*past.staleness, *member.staleness})
        return Telemetry(
            steps=past.steps + self.steps,
            rounds=rounds,
            bytes_sent=bytes_sent,
            exposed_seconds=past.exposed_seconds + (helper.exposed_seconds if helper else 0.0),
            exposed_vote_seconds=(past.exposed_vote_seconds or 0.0) + (helper.exposed_vote_seconds if helper else 0.0),
            vote_seconds=past.vote_seconds + (helper.vote_seconds if helper else 0.0),
            payload_seconds=payload_seconds,
            staleness={age: past.staleness.get(age, 0) + member.staleness.get(age, 0) for age in ages},
            used=past.used + member.used,
            dropped=past.dropped + member.drops,
            given_up=past.given_up + self.given_up,
            memory_declared=self.algorithm.memory(),
            memory_bytes=memory_bytes,
        )
