"""Helpers on threads of one process, with a wire that adds in memory: real races, many rounds."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

import algorithms
from algorithms.contract import Rounds
from algorithms.mechanisms.quorum.ballot import PLAIN, Vector, Verdict
from algorithms.mechanisms.quorum.helper import Helper, RoundsError
from algorithms.mechanisms.quorum.member import Member
from algorithms.mechanisms.quorum.rules import rules
from tests.patience import eventually, stands


class Room:
    """Where all workers meet: a vote is over when everyone has brought a vector."""

    def __init__(self, workers: int) -> None:
        self.workers, self.changed = workers, threading.Condition()
        self.vectors: list[Vector] = []
        self.total: Vector | None = None
        self.generation = 0
        self.broken = False

    def meet(self, vector: Vector) -> Vector:
        with self.changed:
            if self.vectors and len(self.vectors[0]) != len(vector):
                self.broken = True
            generation = self.generation
            self.vectors.append(vector)
            if len(self.vectors) == self.workers:
                self.total, self.vectors = np.sum(self.vectors, axis=0), []
                self.generation += 1
                self.changed.notify_all()
            done = self.changed.wait_for(lambda: self.generation > generation or self.broken, timeout=60)
            if self.broken or not done:
                raise ConnectionError("the others do something else, or nothing")
            assert self.total is not None
            return self.total.copy()


@dataclass
class Wire:
    room: Room

    def vote(self, vector: Vector) -> Vector:
        return self.room.meet(vector)

    def abort(self) -> None:
        with self.room.changed:
            self.room.broken = True
            self.room.changed.notify_all()


@dataclass
class Work:
    """A centre that adds up what is offered. A worker offers (1, its rank, its step)."""

    room: Room
    rank: int
    centre: Vector = field(default_factory=lambda: np.zeros(3, np.int64))
    rounds: int = 0
    fails_at: int | None = None
    offered: Vector | None = None

    def carry(self, verdict: Verdict) -> None:
        if verdict.round == self.fails_at:
            raise MemoryError("no room for the centre")
        mine = self.offered if verdict.takes(self.rank) else None
        self.centre += self.room.meet(np.zeros(3, np.int64) if mine is None else mine)
        self.rounds += 1


@dataclass
class Watcher:
    clock: Callable[[], float] = time.monotonic
    told: list[tuple[str, float]] = field(default_factory=list)

    def add(self, name: str, began: float, seconds: float) -> None:
        self.told.append((name, seconds))


@dataclass
class Outcome:
    member: Member
    work: Work
    helper: Helper
    offered: int
    error: BaseException | None


def run(
    algorithm: Rounds,
    goals: list[int],
    pause: Callable[[random.Random], float],
    *,
    dies: tuple[int, int] | None = None,
    breaks: tuple[int, int] | None = None,
) -> list[Outcome]:
    """Train on as many threads as there are goals. `dies`, `breaks`: (worker, step or round) of an error."""
    room = Room(len(goals))
    outcomes: dict[int, Outcome] = {}

    def worker(rank: int) -> None:
        draw = random.Random(rank)
        member = Member(rank=rank, rules=rules(algorithm, len(goals)), records=[])
        work = Work(room, rank, fails_at=breaks[1] if breaks and breaks[0] == rank else None)
        late = threading.Event() if algorithm.gives_up else None
        helper = Helper(member, Wire(room), work, late=late)
        helper.start()
        offered, step, error = 0, 0, None
        try:
            while step < goals[rank] and not member.over:
                if dies == (rank, step):
                    helper.fail("the disk is full")
                    break
                read = member.round
                if late is None:
                    time.sleep(pause(draw))
                else:
                    helper.takes(read)
                    if late.wait(pause(draw)):
                        helper.closed()
                        assert member.round > read or member.over, "nobody is late but for a round"
                        step = member.round
                        continue
                if not algorithm.waits:
                    helper.settled()
                work.offered = np.array([1, rank, step])
                helper.offer(step, min(read, member.round), PLAIN)
                offered += 1
                if algorithm.waits:
                    helper.settled()
                step = member.round if algorithm.tagged else step + 1
            else:
                helper.leave()
        except RoundsError as failure:
            error = failure
        outcomes[rank] = Outcome(member, work, helper, offered, error)

    threads = [threading.Thread(target=worker, args=(rank,)) for rank in range(len(goals))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert len(outcomes) == len(goals), "a worker hangs"
    for outcome in outcomes.values():
        outcome.helper.thread.join(10)
        assert not outcome.helper.thread.is_alive(), "a helper is left over"
    return [outcomes[rank] for rank in range(len(goals))]


def check(outcomes: list[Outcome]) -> None:
    first = outcomes[0]
    for outcome in outcomes:
        assert np.array_equal(outcome.work.centre, first.work.centre), "replicas differ"
        assert outcome.member.records == first.member.records
        assert outcome.offered == outcome.member.used + outcome.member.drops
    assert first.member.records is not None
    taken = [c for record in first.member.records for c in record.taken]
    assert len({(c.worker, c.step) for c in taken}) == len(taken)
    assert first.work.centre.tolist() == [len(taken), sum(c.worker for c in taken), sum(c.step for c in taken)]


@pytest.mark.parametrize(
    ("algorithm", "goals"),
    [
        (algorithms.Asynchronous(), [4000, 3000, 3500]),
        (algorithms.SoftSync(gradients=2), [2500, 900, 2000, 2200]),
        (algorithms.BackupWorkers(spares=2), [2500, 2500, 2500, 2500]),
        (algorithms.BackupWorkers(spares=2, give_up=True), [2500, 2500, 2500, 2500]),
        (algorithms.Asynchronous(max_staleness=1), [1500, 1500, 1000, 1200]),
        (algorithms.LocalSGD(period=1), [1500, 1000, 500]),
    ],
    ids=repr,
)
def test_thousands_of_rounds_with_random_delays_and_early_finishers(algorithm: Rounds, goals: list[int]) -> None:
    outcomes = run(algorithm, goals, lambda draw: draw.choice((0.0, 0.0, 0.0, 0.0003)))
    check(outcomes)
    assert outcomes[0].member.round >= 1000
    if not algorithm.tagged and algorithm.accept(10**6):
        assert [outcome.member.used for outcome in outcomes] == goals
    if algorithm.tagged:
        assert max(outcome.member.round for outcome in outcomes) == max(goals)


@pytest.mark.parametrize("algorithm", [algorithms.Asynchronous(), algorithms.LocalSGD(period=1)], ids=repr)
def test_an_error_of_one_training_thread_is_everyones(algorithm: Rounds) -> None:
    outcomes = run(algorithm, [50, 50, 50], lambda draw: 0.001, dies=(1, 20))
    for rank in (0, 2):
        assert "training failed on rank 1: the disk is full" in str(outcomes[rank].error)
    assert outcomes[1].error is None, "it has an error of its own already"


def test_an_error_in_the_middle_of_a_round_leaves_nobody_waiting() -> None:
    outcomes = run(algorithms.SoftSync(gradients=3), [50, 50, 50], lambda draw: 0.0, breaks=(2, 10))
    assert "no room for the centre" in str(outcomes[2].error)
    assert all(outcome.error is not None for outcome in outcomes)


def test_a_training_thread_that_just_ends_has_left() -> None:
    """As when a program ends without `finish`."""
    room = Room(2)
    works = [Work(room, rank) for rank in range(2)]
    members = [Member(rank=rank, rules=rules(algorithms.Asynchronous(), 2)) for rank in range(2)]
    helpers: list[Helper] = []

    def forgetful() -> None:
        helper = Helper(members[0], Wire(room), works[0])
        helpers.append(helper)
        helper.start()
        works[0].offered = np.array([1, 0, 0])
        helper.offer(0, 0, PLAIN)

    thread = threading.Thread(target=forgetful)
    thread.start()
    thread.join()
    other = Helper(members[1], Wire(room), works[1])
    other.start()
    other.leave()
    helpers[0].thread.join(10)
    assert not helpers[0].thread.is_alive()
    assert works[0].centre.tolist() == works[1].centre.tolist() == [1, 0, 0]


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    from algorithms.mechanisms.quorum.ballot import read_out, silence, spelt

    text = "Traceback é\n" + "x" * 10_000 + "\nValueError: the end"
    heard = read_out(spelt(text) + silence())
    assert heard.startswith("Traceback é")
    assert heard.endswith("ValueError: the end")
    assert read_out(spelt("short")) == "short"


def test_standing_still_for_votes_is_told_apart_from_standing_still_for_payloads() -> None:
    class SlowWire(Wire):
        def vote(self, vector: Vector) -> Vector:
            """Some time, and until the training thread stands still, if it offers something."""
            time.sleep(0.01)
            eventually(lambda: member.offer is None or stands(threading.main_thread()))
            return super().vote(vector)

    room = Room(1)
    member = Member(rank=0, rules=rules(algorithms.LocalSGD(period=1), 1))
    helper = Helper(member, SlowWire(room), Work(room, 0))
    helper.watcher = watcher = Watcher()
    helper.start()
    for step in range(3):
        helper.offer(step, step, PLAIN)
        helper.settled()
    helper.leave()
    assert 0 < helper.exposed_vote_seconds <= helper.exposed_seconds
    assert [name for name, _ in watcher.told] == ["vote"] * helper.votes
    assert sum(seconds for _, seconds in watcher.told) == pytest.approx(helper.vote_seconds)
    assert helper.exposed_vote_seconds < helper.vote_seconds  # the last vote is on who leaves: nobody waits for it


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("dies", [True, False])
def test_a_training_thread_that_is_not_the_main_one_does_not_die_as_if_it_had_left(dies: bool) -> None:
    room = Room(1)
    member = Member(rank=0, rules=rules(algorithms.SoftSync(gradients=1), 1))
    made: list[Helper] = []

    def training() -> None:
        made.append(Helper(member, Wire(room), Work(room, 0)))
        made[0].start()
        if dies:
            raise ArithmeticError("the loss is no longer a number")

    thread = threading.Thread(target=training)
    thread.start()
    thread.join()
    made[0].thread.join(60)
    if not dies:
        made[0].check()
        return
    with pytest.raises(RoundsError, match="the loss is no longer a number"):
        made[0].check()
