"""What a worker knows of its own steps and offers, beside a real helper of a cluster of one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import algorithms
from algorithms.contract import Moment, Rounds
from algorithms.mechanisms.quorum_ballot import PLAIN, Vector, Verdict
from algorithms.mechanisms.quorum_worker import Worker


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


def train(worker: Worker, centre: Centre, steps: int) -> list[tuple[int, bool, bool]]:
    """The step's number, whether it offers and whether it adopts, of each step of a binding's loop."""
    if worker.helper is None:
        worker.start(Alone(), centre)
    lived = []
    for _ in range(steps):
        worker.steps += 1
        number, offers = worker.step_number, worker.offers(worker.algorithm.departs)
        if offers:
            worker.offer(PLAIN)
        adopts = worker.adopts
        if adopts:
            worker.wait()
            assert worker.was_taken()
            worker.goes_on(centre.rounds)
        else:
            worker.step_number += 1
        lived.append((number, offers, adopts))
    return lived


def end(worker: Worker, centre: Centre) -> None:
    assert worker.helper is not None
    worker.helper.leave()
    worker.renew(centre.rounds)


def test_it_offers_when_its_algorithm_meets_and_adopts_at_once() -> None:
    worker, centre = make(algorithms.LocalSGD(period=2)), Centre()
    assert train(worker, centre, 4) == [(0, False, False), (1, True, True), (2, False, False), (3, True, True)]
    assert not worker.offers(Moment.STEP_BEGINS)
    assert (worker.read, centre.rounds) == (2, 2)
    end(worker, centre)


def test_with_overlap_it_adopts_as_many_steps_later() -> None:
    worker, centre = make(algorithms.LocalSGD(period=3, overlap=1)), Centre()
    assert [step for step, offers, _ in train(worker, centre, 7) if offers] == [2, 5]
    assert worker.due is None, "taken after step 6"
    end(worker, centre)


def test_a_late_step_is_numbered_by_the_round() -> None:
    worker, centre = make(algorithms.BackupWorkers(spares=0)), Centre(rounds=7)
    worker.resume(rounds=7, step=7, read=7)
    assert [step for step, _, _ in train(worker, centre, 3)] == [7, 8, 9]
    centre.rounds = 20  # others have closed rounds without it
    worker.goes_on(centre.rounds)
    assert worker.step_number == worker.read == 20
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
        assert (worker.step_number, worker.read, worker.due, worker.helper) == (0, 3 * again, None, None)
    assert [record.round for record in records] == list(range(9))
    assert worker.keep_records() is records


def test_dropped_while_it_computed() -> None:
    worker, centre = make(algorithms.BackupWorkers(spares=0)), Centre(rounds=3)
    worker.resume(rounds=3, step=3, read=1)
    worker.start(Alone(), centre)
    worker.offer(PLAIN)
    worker.wait()
    assert not worker.was_taken()
    worker.goes_on(centre.rounds)
    assert train(worker, centre, 1) == [(3, True, True)]
    assert (worker.telemetry().used, worker.telemetry().dropped) == (1, 1)
    end(worker, centre)


def test_giving_up_ends_with_the_helper() -> None:
    late = threading.Event()
    worker, centre = make(algorithms.BackupWorkers(spares=0, give_up=True), late), Centre()
    train(worker, centre, 2)
    assert not worker.over
    worker.member.round += 1  # closed without it
    assert worker.helper is not None
    worker.helper.takes(worker.read)
    assert late.is_set()
    worker.member.round -= 1
    end(worker, centre)
    assert not late.is_set()
    assert not worker.over
