"""Ballots survive the sum, selection is fair, and helpers look neither too often nor too seldom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import algorithms
from algorithms.mechanisms.quorum.ballot import Ballot, Presence, Terms, tallied, written
from algorithms.mechanisms.quorum.member import Member
from algorithms.mechanisms.quorum.pace import HEARTBEAT, LONGEST, SHORTEST, Pace, Patience
from algorithms.mechanisms.quorum.rules import Rules, needed, over, rotation, rules, select

BALLOTS = st.builds(
    Ballot,
    standing=st.sampled_from(Presence),
    step=st.none() | st.integers(0, 2**40),
    read=st.integers(0, 2**40),
    terms=st.builds(
        Terms,
        weight=st.floats(allow_nan=False),
        rate=st.floats(allow_nan=False),
        mark=st.integers(-1, 2**56),
        missing=st.integers(0, 2**56),
    ),
    ended=st.integers(0, 2**40),
)


@given(st.lists(BALLOTS, min_size=1, max_size=8))
def test_everyone_reads_what_everyone_wrote(ballots: list[Ballot]) -> None:
    workers = len(ballots)
    total = np.sum([written(ballot, rank, workers) for rank, ballot in enumerate(ballots)], axis=0)
    assert tallied(total, workers) == tuple(ballots)


def test_those_who_end_know_how_far_the_furthest_had_come() -> None:
    members = [
        Member(rank=rank, rules=rules(algorithms.LocalSGD(), 3), steps=steps) for rank, steps in enumerate((4, 9, 6))
    ]
    for member in members:
        member.leaves()
    total = np.sum([member.cast() for member in members], axis=0)
    assert all(member.count(total).ended and member.furthest == 9 for member in members)


def test_a_worker_that_said_nothing_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="vote of worker 1 reads 0"):
        tallied(written(Ballot(), 0, 2), 2)


def test_surplus_is_left_out_in_turn() -> None:
    algorithm = rules(algorithms.BackupWorkers(spares=1), 4)
    ready = dict.fromkeys(range(4), 0)
    left_out = [(set(range(4)) - set(select(ready, algorithm, round=number, active=4)[0])).pop() for number in range(8)]
    assert left_out == [3, 0, 1, 2, 3, 0, 1, 2]
    assert rotation([0, 2, 3], 3, 4) == [3, 0, 2]


def test_what_is_too_old_is_dropped_and_does_not_count() -> None:
    algorithm = rules(algorithms.BackupWorkers(spares=1), 3)
    assert select({0: 0, 1: 1}, algorithm, round=5, active=3) == ((), (1,))
    assert select({0: 0, 1: 1, 2: 0}, algorithm, round=5, active=3) == ((0, 2), (1,))


def test_the_quorum_shrinks_with_those_who_can_make_it_up() -> None:
    algorithm = rules(algorithms.SoftSync(gradients=3), 4)
    assert needed(3, 2) == 2
    assert select({0: 7, 3: 0}, algorithm, round=9, active=3) == ((), ())
    assert select({0: 7, 3: 0}, algorithm, round=9, active=2) == ((0, 3), ())


def test_tagged_training_is_over_when_no_whole_round_is_left() -> None:
    tagged = rules(algorithms.BackupWorkers(spares=1), 3)
    assert not over(tagged, 2)
    assert over(tagged, 1)
    assert select({2: 0}, tagged, round=4, active=1) == ((), (2,))
    assert not over(rules(algorithms.SoftSync(gradients=2), 3), 1)


@pytest.mark.parametrize(("quorum", "limit"), [(0, 3), (4, 4), (2, 1), (2, 4)])
def test_impossible_rules_are_refused(quorum: int, limit: int) -> None:
    with pytest.raises(ValueError, match="must be in"):
        Rules(workers=3, quorum=quorum, limit=limit, accept=lambda age: True)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_votes_follow_the_length_of_a_round() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.interval(everyone=False) == SHORTEST
    for _ in range(30):
        clock.now += 0.5
        pace.closed()
    assert pace.interval(everyone=False) == pytest.approx(0.015)
    clock.now += 100
    assert pace.interval(everyone=False) == LONGEST
    assert pace.interval(everyone=True) == HEARTBEAT


@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.1, 3.0])
def test_waiting_looks_seldom_and_ends_soon(seconds: float) -> None:
    clock = Clock()
    looks = []
    Patience(clock, clock.sleep).until(lambda: looks.append(0) or clock.now >= seconds)
    assert clock.now - seconds <= max(0.0003, min(0.12 * seconds, 0.005))
    assert len(looks) <= 60 + seconds / Patience.LAST
