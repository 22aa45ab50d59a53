"""A run is disturbed when more happened around it than around the quietest of its sweep."""

from __future__ import annotations

import pytest

from suite.disturbance.judging import BURST, OTHERS, Quietest, disturbed, seen
from suite.record.reading import Contents
from suite.record.schema import Sweep
from tests.disturbance.surroundings import LOOKS, neighbour, run
from tests.record.examples import record

SECONDS = 20


def test_what_others_took_is_told_from_what_the_ranks_took():
    quiet, beside = seen(run())["here"], seen(run(others=neighbour(0.8, 5, 5)))["here"]
    assert quiet.others == pytest.approx(0, abs=1e-9)
    assert quiet.burst == pytest.approx(0, abs=1e-9)
    assert beside.others == pytest.approx(0.8 * 5 / SECONDS)
    assert beside.burst == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("troubled", "words"),
    [
        (run(others=neighbour(OTHERS + 0.02, 0, SECONDS)), "other processes took 0.17 of a core"),
        (run(others=neighbour(BURST + 0.05, 5, 3)), "other processes took 0.45 of a core for 2 s or more"),
        (run(stolen=0.2), "10% of the cores' time was stolen by the machine below"),
        (run(work=3e-4), "the cores were slower: the same piece of work took 1.50 x as long"),
    ],
    ids=["all the time", "for a while", "stolen", "slower"],
)
def test_each_disturbance_is_named(troubled, words):
    quietest = Quietest.of([run(), troubled])
    assert quietest.disturbances(troubled) == (words,)
    assert quietest.disturbances(run()) == ()


def test_interrupts_do_not_make_a_core_slower():
    """Looks of a rank behind 100 Mbit/s, each at the piece as a whole: one in six was spared, on a core as fast as ever."""
    spoilt = [1.7e-4 if look % 6 == 0 else 3.6e-4 for look in range(LOOKS)]
    assert disturbed([run(pieces=1), run(pieces=1, work=spoilt)]) == {}
    words = "the cores were slower: the same piece of work took 1.50 x as long"
    assert disturbed([run(pieces=1), run(pieces=1, work=3e-4)]) == {1: (words,)}


def test_a_core_that_is_slow_for_a_while_is_found_where_interrupts_are_no_part_of_a_look():
    work = [3e-4 if look > LOOKS * 0.6 else 2e-4 for look in range(LOOKS)]
    assert list(disturbed([run(), run(work=work)])) == [1]


def test_a_little_more_than_at_the_quietest_is_no_disturbance():
    restless = run(others=neighbour(0.1, 0, SECONDS), work=2.2e-4, stolen=0.02)
    assert Quietest.of([run(), restless]).disturbances(restless) == ()


def test_what_is_counted_twice_makes_no_run_quieter_than_quiet():
    """Training alone on four emulated hosts: -0.08 of a core, and DDP's 0.08 was called a disturbance of 0.16."""
    alone = run(others=neighbour(-0.08, 0, SECONDS))
    assert (seen(alone)["here"].others, seen(alone)["here"].burst) == (0.0, 0.0)
    talkative = run(others=neighbour(0.08, 0, SECONDS))
    assert disturbed([alone, talkative]) == {}


def test_only_runs_of_one_sweep_are_compared():
    busy = neighbour(0.5, 0, SECONDS)
    first = [run(others=busy, sweep=Sweep(identifier="busy", position=place)) for place in range(2)]
    second = [run(sweep=Sweep(identifier="quiet", position=0))]
    assert disturbed([*first, *second]) == {}
    louder = run(others=busy, sweep=Sweep(identifier="quiet", position=1))
    assert list(disturbed([*first, *second, louder])) == [3]


def test_runs_are_compared_with_those_of_as_many_ranks():
    """Eight ranks on two cores are in each other's way, and so is the piece of work: that is no disturbance."""
    crowded = [run(count=8, work=4e-4), run(count=8, work=4.2e-4)]
    beside = run(count=8, work=4e-4, others=neighbour(0.5, 0, SECONDS))
    assert list(disturbed([run(), run(), *crowded, beside])) == [4]


def test_a_run_whose_ranks_said_nothing_is_not_judged():
    assert seen(record()) == {}
    assert disturbed([record(), run()]) == {}


def test_of_several_attempts_the_undisturbed_one_counts():
    busy = neighbour(0.5, 0, SECONDS)
    attempts = [run(attempt=0), run(attempt=1, others=busy)]
    (counting,) = Contents(tuple(attempts), ()).latest()
    assert counting.attempt == 0
    (counting,) = Contents((run(attempt=0), run(attempt=1)), ()).latest()
    assert counting.attempt == 0  # beside what it is compared with: an alarm of then is none any more
    calm = run(attempt=0, repetition=1)
    both = [run(attempt=0, others=busy), run(attempt=1, others=neighbour(0.6, 0, SECONDS)), calm]
    (counting, _) = Contents(tuple(both), ()).latest()
    assert counting.attempt == 1  # nothing else is there: the last
