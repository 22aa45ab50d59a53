"""What changes of the workers mean on a rank, with a state that only takes notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from algorithms.mechanisms.elastic.ledger import Recovery
from suite.rank.changes import Changes
from suite.rank.samples import RankWriter, read_rank
from suite.rank.side import Place
from tests.record.examples import specification

SEEN = Recovery(lost=True, seconds=2.0, before=3, workers=2, newcomers=0, samples_lost=8)


@dataclass
class State:
    step: int = 0
    told: list[object] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)

    def count(self, samples: int) -> None:
        self.told.append(samples)

    def save(self) -> None:
        self.told.append(f"commits {self.step}")

    def check_host_updates(self) -> None:
        self.told.append("looks")


def changes(folder: Path, rank: int, fault: str, state: State, now: list[float], died: list[int]) -> Changes:
    of = specification(workers=3, faults=fault)
    die = lambda: died.append(rank)  # noqa: E731
    return Changes(of, RankWriter(folder, rank), state, clock=lambda: now[0], die=die)


def alone(zero: float | None) -> Place:
    return Place(0, 1, 0, lambda mine: [zero if zero is not None else mine])


@pytest.mark.parametrize(("rank", "dies"), [(0, []), (1, [1])])
def test_the_rank_of_the_fault_dies_in_its_step_behind_the_warm_up_and_no_other_does(
    tmp_path: Path, rank: int, dies: list[int]
) -> None:
    state, now, died = State(), [5.0], []
    one = changes(tmp_path, rank, "kill:rank=1,step=1", state, now, died)
    one.meet(alone(None), lambda zero: 5.0)
    for step in range(2):  # one of warm-up, and step 0
        one.draws(step, 8)
        one.commits(step + 1)
    assert not died
    now[0] = 7.5
    one.draws(2, 8)
    assert died == dies
    assert state.told == [8, "commits 1", 8, "commits 2", 8]
    happened = read_rank(tmp_path / f"rank-{rank}.jsonl").happened
    assert (happened is not None and (happened.seconds, happened.samples_lost)) == ((2.5, 8) if dies else False)


def test_who_leaves_or_waits_for_one_who_joins_only_says_that_it_is_due(tmp_path: Path) -> None:
    died: list[int] = []
    one = changes(tmp_path, 0, "join:step=0", State(), [1.0], died)
    one.meet(alone(None), lambda zero: 0.0)
    one.draws(1, 8)
    one.draws(2, 8)
    happened = read_rank(tmp_path / "rank-0.jsonl").happened
    assert not died and happened is not None and happened.samples_lost == 0


def test_a_recovery_is_told_once_in_seconds_since_the_first_of_all_began(tmp_path: Path) -> None:
    state, now = State(), [10.0]
    one = changes(tmp_path, 2, "kill:rank=1,step=1", state, now, [])
    given: list[float | None] = []

    def start(zero: float | None) -> float:
        given.append(zero)
        return 10.0 if zero is None else zero

    one.meet(alone(None), start)
    state.recoveries.append(SEEN)
    now[0] = 16.0
    one.meet(alone(9.0), start)  # of rank 0, which began a second earlier
    one.meet(alone(9.0), start)
    assert given == [None, 9.0, 9.0]
    (told,) = read_rank(tmp_path / "rank-2.jsonl").recoveries
    assert (told.noticed, told.resumed, told.workers, told.samples_lost) == (5.0, 7.0, 2, 8)
