"""What a worker knows of its own steps and offers, beside a real helper of a cluster of one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import algorithms
from algorithms.contract import Rounds
from algorithms.life import Standing
from algorithms.mechanisms.quorum.ballot import PLAIN, Terms, Vector, Verdict
from algorithms.mechanisms.quorum.worker import Worker


class Alone:
    def vote(self, vector: Vector) -> Vector:
        return vector

    def abort(self) -> None:
        raise AssertionError("nothing breaks here")


@dataclass
class Centre:
    rounds: int = 0

    def carry(self, verdict: Verdict) -> None:
        self.rounds += 1


def make(algorithm: Rounds, late: threading.Event | None = None) -> Worker:
    return Worker(algorithm, rank=0, workers=1, clock=time.monotonic, late=late)


@dataclass
class Loop:
    """A binding's hands, which note what they are asked for."""

    centre: Centre
    asked: list[str] = field(default_factory=list)

    def offer(self) -> Terms:
        self.asked.append("offer")
        return PLAIN

    def adopt(self, *, late: bool) -> int:
        self.asked.append("adopt late" if late else "adopt")
        return self.centre.rounds

    def read(self) -> int:
        self.asked.append("read")
        return self.centre.rounds

    def anew(self) -> int:
        self.asked.append("anew")
        return self.centre.rounds


def train(worker: Worker, centre: Centre, steps: int) -> list[tuple[int, *tuple[str, ...]]]:
    """The number of each step of a binding's loop, and what was asked for in it."""
    if worker.helper is None:
        worker.start(Alone(), centre)
    lived: list[tuple[int, *tuple[str, ...]]] = []
    for _ in range(steps):
        loop = Loop(centre)
        worker.steps += 1
        worker.begins()
        worker.carries_on(loop)
        number = worker.life.step
        worker.computed()
        worker.carries_on(loop)
        lived.append((number, *loop.asked))
    return lived


def end(worker: Worker, centre: Centre) -> None:
    assert worker.helper is not None
    worker.ends(Loop(centre))
    worker.helper.leave()
    worker.renew(centre.rounds)


def test_it_offers_when_its_algorithm_meets_and_adopts_at_once() -> None:
    worker, centre = make(algorithms.LocalSGD(period=2)), Centre()
    assert train(worker, centre, 4) == [(0,), (1, "offer", "adopt"), (2,), (3, "offer", "adopt")]
    assert (worker.life.read, centre.rounds) == (2, 2)
    end(worker, centre)


def test_with_overlap_it_adopts_as_many_steps_later() -> None:
    worker, centre = make(algorithms.LocalSGD(period=3, overlap=1)), Centre()
    lived = train(worker, centre, 7)
    assert [asked for asked in lived if len(asked) > 1] == [
        (2, "offer"),
        (3, "adopt late"),
        (5, "offer"),
        (6, "adopt late"),
    ]
    assert worker.life.standing.due is None
    end(worker, centre)


def test_a_late_step_is_numbered_by_the_round() -> None:
    worker, centre = make(algorithms.BackupWorkers(spares=0)), Centre(rounds=7)
    worker.resume(7, Standing(step=7, read=7))
    assert [step for step, *_ in train(worker, centre, 3)] == [7, 8, 9]
    centre.rounds = 19  # others have closed rounds without it
    train(worker, centre, 1)
    assert worker.life.step == worker.life.read == 20
    end(worker, centre)


def test_a_renewed_worker_keeps_what_was_counted() -> None:
    worker, centre = make(algorithms.LocalSGD(period=2)), Centre()
    records = worker.keep_records()
    for again in range(1, 4):
        train(worker, centre, 6)
        end(worker, centre)
        counted = worker.telemetry(rounds=centre.rounds)
        assert (counted.steps, counted.used, counted.dropped) == (6 * again, 3 * again, 0)
        assert counted.staleness == {0: 3 * again}
        assert counted.vote_seconds > 0
        assert worker.life.standing == Standing(step=6 * again, read=3 * again)
        assert worker.helper is None
    assert [record.round for record in records] == list(range(9))
    assert worker.keep_records() is records


def test_a_renewed_worker_does_not_warm_up_again() -> None:
    worker, centre = make(algorithms.LocalSGD(period=4, warmup=2, overlap=0)), Centre()
    assert [step for step, *asked in train(worker, centre, 3) if asked] == [0, 1]
    end(worker, centre)
    assert [step for step, *asked in train(worker, centre, 8) if asked] == [5, 9]
    end(worker, centre)
    assert worker.life.step == 11


def test_steps_that_were_made_count_where_a_round_ends_late() -> None:
    worker, centre = make(algorithms.LocalSGD(period=3, overlap=2)), Centre()
    train(worker, centre, 3)  # what it offered in the last one it adopts at the end
    end(worker, centre)
    assert worker.life.standing == Standing(step=3, read=1)


def test_dropped_while_it_computed() -> None:
    worker, centre = make(algorithms.BackupWorkers(spares=0)), Centre(rounds=3)
    worker.resume(3, Standing(step=3, read=1))
    assert train(worker, centre, 2) == [(3, "offer", "anew"), (3, "offer", "adopt")]
    assert (worker.telemetry().used, worker.telemetry().dropped) == (1, 1)
    end(worker, centre)


def test_giving_up_ends_with_the_helper() -> None:
    late = threading.Event()
    worker, centre = make(algorithms.BackupWorkers(spares=0, give_up=True), late), Centre()
    train(worker, centre, 2)
    assert not worker.over
    worker.member.round += 1  # closed without it
    assert worker.helper is not None
    worker.helper.takes(worker.life.read)
    assert late.is_set()
    worker.member.round -= 1
    end(worker, centre)
    assert not late.is_set()
    assert not worker.over
