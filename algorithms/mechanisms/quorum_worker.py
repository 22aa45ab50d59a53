"""One worker's way through the rounds, as its training thread goes it: steps, offers, and what has been counted.

A binding says when something happens and moves the parameters; here stands what follows from it for the next step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from algorithms.contract import Moment, Rounds
from algorithms.mechanisms.quorum import rules
from algorithms.mechanisms.quorum_ballot import Terms
from algorithms.mechanisms.quorum_helper import Helper, Wire, Work
from algorithms.mechanisms.quorum_member import Member
from algorithms.mechanisms.quorum_record import RoundRecord
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher


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
        self._begin(0)

    def _begin(self, rounds: int) -> None:
        self.member = Member(rank=self.rank, rules=self.rules, round=rounds, records=self.records)
        self.helper: Helper | None = None
        self.read = rounds  # closed when it last took the centre
        self.step_number = rounds if self.algorithm.tagged else 0
        self.due: int | None = None  # the step after which it adopts what comes of its offer
        self.begun = False  # the step, and what it offers at its beginning is on offer
        self.steps = self.given_up = 0
        self._drops = 0  # of its offers when it made the last one
        if self.late is not None:
            self.late.clear()

    def renew(self, rounds: int) -> None:
        """As from a new start, but what has been counted stays, and so does the number of rounds."""
        self.past = self.telemetry()
        self._begin(rounds)

    def resume(self, *, rounds: int, step: int, read: int, due: int | None = None) -> None:
        """Go on from a saved state."""
        self.renew(rounds)
        self.step_number, self.read, self.due = step, read, due

    def keep_records(self) -> list[RoundRecord]:
        """From now on write down who was in which round; equal on all ranks, and what the virtual driver can replay."""
        if self.records is None:
            self.records = self.member.records = []
        return self.records

    def start(self, wire: Wire, work: Work, trainer: threading.Thread | None = None) -> Helper:
        """The helper, which lives from now on; beside this thread, unless another is the one that trains."""
        self.helper = Helper(self.member, wire, work, clock=self.clock, late=self.late)
        self.helper.trainer = trainer or self.helper.trainer
        self.helper.watcher = self.watcher
        self.helper.takes(self.read)
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

    def offers(self, moment: Moment) -> bool:
        """Whether it puts something on offer at this moment of this step."""
        return self.algorithm.departs is moment and self.algorithm.meets(self.step_number)

    def offer(self, terms: Terms) -> None:
        assert self.helper is not None
        self.due = self.step_number + self.algorithm.overlap
        self._drops = self.member.drops
        self.helper.offer(self.step_number, self.read, terms)

    @property
    def adopts(self) -> bool:
        """Whether it takes what comes of its offer at the end of this step."""
        return self.due == self.step_number

    def wait(self) -> None:
        """Until nothing is on offer: the last offer is in a round that has closed, or was dropped."""
        if self.helper is not None:
            self.helper.settled()

    def was_taken(self) -> bool:
        """Behind `wait`: whether a round took the offer. If not, it was dropped."""
        self.due = None
        return self.member.drops == self._drops

    def goes_on(self, read: int) -> None:
        """To the next step, from the centre after so many rounds."""
        self.read = read
        self.step_number = read if self.algorithm.tagged else self.step_number + 1
        if self.helper is not None:
            self.helper.takes(read)

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
