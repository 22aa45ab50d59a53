"""A worker's life, once: what it asks for, step after step, whoever carries it out.

A life asks for one thing after the other (`verb`) and is told what came of it (`answer`). The virtual cluster answers under
its heap of times, replay from a record, the bindings from the training loop and its helper thread. None of them decides
when a worker offers, waits, adopts, reads or leaves: that stands here, and follows from the algorithm alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from algorithms.contract import Exchange, Moment, Rounds


class Verb(Enum):
    """What a life asks for. Behind each stands what it is answered."""

    BEGIN = auto()  # may the next step begin? True, or False: this worker has no more data
    OFFER = auto()  # put on offer what the worker holds now. None
    COMPUTE = auto()  # forward, backward and, where it is the worker's, the optimizer. None, Outcome.IN_VAIN or ENDED
    WAIT = auto()  # until nothing is on offer. The last offer's outcome
    LOOK = auto()  # what has come of the last offer, without waiting. Its outcome; None: it is on offer still
    ADOPT = auto()  # take what came of the round that took the offer. Rounds that the centre has seen
    ADOPT_LATE = auto()  # the same where the worker has gone on since it offered. Rounds that the centre has seen
    READ = auto()  # take the centre as it is; what is on offer stays there. Rounds that the centre has seen
    ANEW = auto()  # nothing came of the step: forget it and take the centre. Rounds that the centre has seen
    LEAVE = auto()  # offer nothing more. The last


class Outcome(Enum):
    """What came of an offer, or of a step."""

    TAKEN = auto()
    DROPPED = auto()
    IN_VAIN = auto()  # a step whose gradient nobody can use
    ENDED = auto()  # training has ended before the step


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a life stands between two steps: what a checkpoint keeps of it."""

    step: int = 0
    read: int = 0
    due: int | None = None


class Life:
    """The life of one worker of `Rounds`."""

    def __init__(self, algorithm: Rounds, standing: Standing | None = None) -> None:
        self._algorithm = algorithm
        standing = standing or Standing()
        self._step, self._read, self._due = standing.step, standing.read, standing.due
        self._moved = standing.due is not None  # it has gone on since it offered
        self._run = self._lived()
        self.verb = next(self._run)

    @property
    def step(self) -> int:
        """The number of the step that it is in, or is about to begin."""
        return self._step

    @property
    def read(self) -> int:
        """Rounds closed when it last took the centre."""
        return self._read

    @property
    def standing(self) -> Standing:
        return Standing(step=self._step, read=self._read, due=self._due)

    def knows(self, rounds: int) -> None:
        """The centre that all go on from has seen so many rounds, and it can have read no later one, nor be in one."""
        self._read = min(self._read, rounds)
        if self._algorithm.tagged:
            self._step = min(self._step, rounds)

    def answer(self, answer: bool | int | Outcome | None = None) -> Verb:
        """What came of `verb`; what it asks for next."""
        self.verb = self._run.send(answer)
        return self.verb

    def _lived(self) -> Generator[Verb, Any, None]:
        waits = self._algorithm.waits
        while (yield Verb.BEGIN):
            offered = yield from self._offers(Moment.STEP_BEGINS)
            computed = yield Verb.COMPUTE
            if computed is Outcome.ENDED:
                break
            if computed is Outcome.IN_VAIN:
                if self._due is not None:
                    yield Verb.WAIT  # what it offered before goes its way
                yield from self._takes(Verb.ANEW)
                continue
            self._moved = True
            offered |= yield from self._offers(Moment.BACKWARD_ENDED, Moment.STEP_ENDED)
            if waits and self._due == self._step:
                yield from self._settles()
                continue
            if offered and not waits:
                self._read = yield Verb.READ
            self._step += 1
        if self._due is not None and waits:
            yield from self._settles()
        elif self._due is not None and (yield Verb.LOOK) is Outcome.TAKEN:
            yield from self._takes(self._adopts())
        yield Verb.LEAVE

    def _offers(self, *moments: Moment) -> Generator[Verb, Any, bool]:
        """Put something on offer if the algorithm meets here; whether it does."""
        if self._algorithm.departs not in moments or not self._algorithm.meets(self._step):
            return False
        if self._due is not None:
            if self._due == self._step + self._algorithm.overlap:
                return True  # before it was saved in the middle of this step
            yield Verb.WAIT  # a worker has one offer at a time
        self._due, self._moved = self._step + self._algorithm.overlap, False
        yield Verb.OFFER
        return True

    def _settles(self) -> Generator[Verb, Any, None]:
        """Wait for the round, and go on from what came of it."""
        outcome = yield Verb.WAIT
        yield from self._takes(self._adopts() if outcome is Outcome.TAKEN else Verb.ANEW)

    def _adopts(self) -> Verb:
        return Verb.ADOPT_LATE if self._moved else Verb.ADOPT

    def _takes(self, verb: Verb) -> Generator[Verb, Any, None]:
        """The step is over, and the next begins from what all share; where steps are rounds, with their number."""
        self._read = yield verb
        self._due = None
        self._step = self._read if self._algorithm.tagged else self._step + 1


T = TypeVar("T")


class Pipeline(Generic[T]):
    """The life of all workers of an `Exchange`: what departed in a step is applied `delay` steps later."""

    def __init__(self, algorithm: Exchange) -> None:
        self._algorithm = algorithm
        self._flying: deque[T] = deque()

    def departs(self, average: T) -> T | None:
        """One sets out. The one to be applied at the end of this step; None while the pipeline fills."""
        self._flying.append(average)
        return self._flying.popleft() if len(self._flying) > self._algorithm.delay else None

    def drains(self) -> Iterator[tuple[T, bool]]:
        """Training ends: what is still under way, in order, and whether it is applied or dropped."""
        while self._flying:
            yield self._flying.popleft(), self._algorithm.drains

    def restart(self, flying: Iterable[T] = ()) -> None:
        """Forget what is under way, and go on with these."""
        self._flying = deque(flying)

    def __iter__(self) -> Iterator[T]:
        return iter(self._flying)
