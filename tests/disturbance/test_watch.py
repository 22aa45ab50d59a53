"""A rank's watch keeps what is counted from the start on, and the machine's part only where it leads."""

from __future__ import annotations

import itertools

import pytest

from suite.disturbance import machine
from suite.disturbance.machine import MachineTime
from suite.disturbance.watch import PIECES, Watch, timed_piece
from suite.record.rank import Surroundings
from tests.patience import eventually


def test_the_first_local_rank_notes_the_machine_and_others_do_not():
    counts = itertools.count()

    def look():
        second = next(counts)
        return MachineTime(idle=100.0 + second, interrupts=3.0, stolen=0.5 * second, stalled=None)

    leading, following = Watch(leads=True, look=look, piece=lambda: 0.25), Watch(leads=False)
    for watch in (leading, following):
        watch.start()
    eventually(lambda: next(counts) > 4)  # the watch has looked by itself
    seen = [Surroundings.model_validate(watch.stop()) for watch in (leading, following)]
    first, second = seen
    assert first.idle[0] == 1.0  # since the first look
    assert first.idle[-1] > first.idle[0]
    assert set(first.work) == {0.25}
    assert first.stalled == ()
    assert (second.idle, second.work) == ((), ())
    assert len(second.own) == len(second.moments) >= 2
    assert list(second.moments) == sorted(second.moments)
    assert first.machine == second.machine == machine.identity()


def interrupted(*places):
    """A clock on which a piece takes 10 us, and 50 us more where an interrupt comes between."""
    pieces = [6e-5 if place in places else 1e-5 for place in range(PIECES)]
    return iter([0.0, *itertools.accumulate(pieces)]).__next__


def test_an_interrupt_spoils_some_pieces_and_a_slow_core_all():
    assert timed_piece(interrupted()) == pytest.approx(PIECES * 1e-5)
    assert timed_piece(interrupted(0, 3, 4, 5, 15)) == pytest.approx(PIECES * 1e-5)
    assert timed_piece(interrupted(*range(PIECES))) == pytest.approx(PIECES * 6e-5)


def test_the_counters_of_this_machine_grow():
    before = machine.now()
    spent = sum(timed_piece() for _ in range(200))
    after = machine.now()
    assert spent > 0
    assert before is not None and after is not None
    assert after.idle >= before.idle
    assert after.interrupts >= before.interrupts
