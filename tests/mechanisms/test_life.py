"""What a life asks for, step by step, and that it goes on from where it was saved."""

from __future__ import annotations

from collections import deque

import pytest

import algorithms
from algorithms.contract import Rounds
from algorithms.life import Life, Outcome, Pipeline, Standing, Verb

ANSWERS = {Verb.BEGIN: True, Verb.OFFER: None, Verb.COMPUTE: None, Verb.WAIT: Outcome.TAKEN, Verb.LOOK: Outcome.TAKEN}


def lived(life: Life, count: int, *, rounds: int = 0) -> list[str]:
    """The next verbs, where every offer is taken by a round of its own."""
    asked = []
    for _ in range(count):
        verb = life.verb
        asked.append(verb.name.lower())
        rounds += verb is Verb.OFFER
        life.answer(ANSWERS.get(verb, rounds))
    return asked


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (algorithms.LocalSGD(period=2), "begin compute begin compute offer wait adopt begin"),
        (
            algorithms.LocalSGD(period=2, overlap=1),
            "begin compute begin compute offer begin compute wait adopt_late begin",
        ),
        (algorithms.ElasticAveraging(period=2), "begin offer compute wait adopt_late begin compute begin offer"),
        (algorithms.BackupWorkers(), "begin compute offer wait adopt begin"),
        (algorithms.Asynchronous(), "begin compute offer read begin compute wait offer read begin"),
    ],
    ids=repr,
)
def test_it_asks_for_one_thing_after_the_other(algorithm: Rounds, expected: str) -> None:
    assert lived(Life(algorithm), len(expected.split())) == expected.split()


def test_nothing_comes_of_a_step_in_vain_or_of_an_offer_that_was_dropped() -> None:
    life = Life(algorithms.BackupWorkers())
    life.answer(True)
    assert life.answer(Outcome.IN_VAIN) is Verb.ANEW
    assert life.answer(7) is Verb.BEGIN
    assert life.step == life.read == 7, "steps are rounds"
    lived(life, 3, rounds=7)
    assert life.verb is Verb.WAIT
    assert life.answer(Outcome.DROPPED) is Verb.ANEW
    life.answer(9)
    assert life.step == 9


@pytest.mark.parametrize(
    ("algorithm", "steps", "expected"),
    [
        (algorithms.LocalSGD(period=3, overlap=2), 3, "wait adopt leave"),
        (algorithms.LocalSGD(period=3), 3, "leave"),
        (algorithms.Asynchronous(), 2, "look adopt leave"),
        (algorithms.ElasticAveraging(period=2), 1, "leave"),
    ],
    ids=repr,
)
def test_who_leaves_takes_what_is_due(algorithm: Rounds, steps: int, expected: str) -> None:
    life = Life(algorithm)
    for _ in range(steps):
        assert life.verb is Verb.BEGIN
        lived(life, 1)
        while life.verb is not Verb.BEGIN:
            lived(life, 1)
    asked = deque([life.answer(False)])
    while asked[-1] is not Verb.LEAVE:
        asked.append(life.answer(ANSWERS.get(asked[-1], 9)))
    assert [verb.name.lower() for verb in asked] == expected.split()


def test_training_that_ends_in_a_step_leaves_with_what_it_offered_at_its_beginning() -> None:
    life = Life(algorithms.ElasticAveraging(period=1))
    lived(life, 2)
    assert life.verb is Verb.COMPUTE
    assert life.answer(Outcome.ENDED) is Verb.WAIT
    assert life.answer(Outcome.TAKEN) is Verb.ADOPT, "it has not moved since"


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.LocalSGD(period=4, overlap=2),
        algorithms.ElasticAveraging(period=3, overlap=2),
        algorithms.BackupWorkers(),
        algorithms.Asynchronous(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("count", range(1, 24))
def test_it_goes_on_from_where_it_was_saved_between_two_steps(algorithm: Rounds, count: int) -> None:
    life = Life(algorithm)
    lived(life, count)
    while life.verb is not Verb.BEGIN:
        lived(life, 1)
    again = Life(algorithm, life.standing)
    assert lived(again, 12, rounds=50) == lived(life, 12, rounds=50)


def test_what_was_offered_before_it_was_saved_in_mid_step_is_not_offered_again() -> None:
    life = Life(algorithms.ElasticAveraging(period=4, overlap=2))
    lived(life, 2)
    assert life.standing == Standing(step=0, read=0, due=2)
    assert lived(Life(algorithms.ElasticAveraging(period=4, overlap=2), life.standing), 2) == ["begin", "compute"]


@pytest.mark.parametrize(("drain", "applied"), [("apply", True), ("drop", False)])
def test_what_departed_is_applied_so_many_steps_later_and_drained_or_dropped(drain: str, applied: bool) -> None:
    pipeline: Pipeline[int] = Pipeline(algorithms.Delayed(steps=2, drain=drain))
    assert [pipeline.departs(step) for step in range(5)] == [None, None, 0, 1, 2]
    assert list(pipeline) == [3, 4]
    assert list(pipeline.drains()) == [(3, applied), (4, applied)]
    assert not list(pipeline)
    pipeline.restart([7, 8])
    assert pipeline.departs(9) == 7
    assert Pipeline[int](algorithms.Synchronous()).departs(5) == 5
