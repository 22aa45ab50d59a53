"""Small cases in every interleaving, larger ones in random ones: no deadlock, nothing lost or doubled, a clean stop."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import algorithms
from algorithms.contract import Rounds
from tests.mechanisms.quorum_world import World

NEVER, BEFORE_CAST, BEFORE_COUNT, BEFORE_CLOSE = None, 0, 1, 2

SMALL: list[tuple[Rounds, tuple[int, ...]]] = [
    (algorithms.Asynchronous(), (3,)),
    (algorithms.Asynchronous(), (2, 3)),
    (algorithms.Asynchronous(max_staleness=0), (2, 3)),
    (algorithms.Asynchronous(max_staleness=1), (2, 1, 1)),
    (algorithms.BackupWorkers(spares=0), (2, 3)),
    (algorithms.BackupWorkers(spares=1), (3, 3)),
    (algorithms.BackupWorkers(spares=1), (2, 2, 2)),
    (algorithms.BackupWorkers(spares=1), (1, 3, 3)),
    (algorithms.BackupWorkers(spares=2), (2, 2, 2)),
    (algorithms.SoftSync(gradients=1), (2, 3)),
    (algorithms.SoftSync(gradients=2), (2, 2, 2)),
    (algorithms.SoftSync(gradients=2), (0, 1, 3)),
    (algorithms.SoftSync(gradients=3), (1, 2, 3)),
    (algorithms.Downpour(), (1, 2, 1)),
    (algorithms.LocalSGD(period=1), (1, 2, 3)),
]


@pytest.mark.parametrize(("algorithm", "goals"), SMALL, ids=lambda value: str(value))
def test_every_interleaving_of_a_small_case_ends(algorithm: Rounds, goals: tuple[int, ...]) -> None:
    first = World(algorithm, goals)
    seen = {first.snapshot()}
    frontier = [first]
    ends = 0
    choices = list(product((NEVER, BEFORE_CAST, BEFORE_COUNT, BEFORE_CLOSE), repeat=len(goals)))
    while frontier:
        world = frontier.pop()
        for choice in choices:
            if any(moment is not None and not world.can_act(rank) for rank, moment in enumerate(choice)):
                continue  # the same as NEVER, but for a worker that a drop has just set free: the next vote has that
            twin = world.copy()
            twin.vote({moment: [r for r, m in enumerate(choice) if m == moment] for moment in (0, 1, 2)})
            if twin.ended:
                ends += 1
                assert all(member.offer is None for member in twin.members)
                assert all(trainer.gone for trainer in twin.trainers)
                if not algorithm.tagged and algorithm.accept(10**6):
                    assert not any(member.drops for member in twin.members), "nothing is dropped where all counts"
            elif twin.snapshot() not in seen:
                seen.add(twin.snapshot())
                frontier.append(twin)
    assert ends


ALGORITHMS = st.sampled_from(
    [
        algorithms.Asynchronous(),
        algorithms.Asynchronous(max_staleness=2),
        algorithms.BackupWorkers(spares=0),
        algorithms.BackupWorkers(spares=1),
        algorithms.SoftSync(gradients=2),
        algorithms.ElasticAveraging(asynchronous=True, moving_rate=0.1),
        algorithms.LocalSGD(period=1),
    ]
)


@settings(max_examples=120, deadline=None)
@given(ALGORITHMS, st.lists(st.integers(0, 6), min_size=2, max_size=8), st.data())
def test_random_interleavings_of_larger_cases_end(algorithm: Rounds, goals: list[int], data: st.DataObject) -> None:
    world = World(algorithm, tuple(goals))
    ranks = list(range(len(goals)))
    for _ in range(60):
        acts = {moment: data.draw(st.lists(st.sampled_from(ranks), max_size=4)) for moment in (0, 1, 2)}
        if world.vote(acts).ended:
            break
    _run_out(world)
    if not algorithm.tagged and algorithm.accept(10**6):
        found = sorted((offer.worker, offer.step) for taken in world.history for offer in taken)
        assert found == [(rank, step) for rank in ranks for step in range(goals[rank])]
    if algorithm.tagged:
        assert all(offer.read == number for number, taken in enumerate(world.history) for offer in taken)
        assert all(len(taken) == world.rules.quorum for taken in world.history)


@settings(max_examples=100, deadline=None)
@given(ALGORITHMS, st.lists(st.integers(1, 4), min_size=2, max_size=6), st.data())
def test_one_failure_ends_the_rounds_of_all(algorithm: Rounds, goals: list[int], data: st.DataObject) -> None:
    world = World(algorithm, tuple(goals))
    ranks = list(range(len(goals)))
    for _ in range(data.draw(st.integers(0, 10))):
        if world.vote({0: data.draw(st.lists(st.sampled_from(ranks), max_size=4))}).ended:
            return
    failing = data.draw(st.sampled_from(ranks))
    world.fail(failing)
    verdict = world.vote({1: ranks})
    assert verdict.failed == failing
    assert verdict.ended
    assert not verdict.taken


def _run_out(world: World) -> None:
    """Let everybody act until all have left."""
    ranks = list(range(len(world.goals)))
    for _ in range(40 * len(ranks) + 200):
        if world.ended:
            return
        world.vote({0: ranks})
    raise AssertionError("the rounds do not end")
