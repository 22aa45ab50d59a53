"""What workers know of gradients that some of them lack."""

from __future__ import annotations

import numpy as np

from algorithms.mechanisms.quorum.ballot import Terms, Vector, Verdict
from algorithms.mechanisms.quorum.gaps import Gaps
from algorithms.mechanisms.quorum.record import Contribution


class Told:
    """What other workers say comes from here; how often was asked is counted."""

    def __init__(self, theirs: list[int]) -> None:
        self.theirs, self.asked = theirs, 0

    def __call__(self, mine: Vector) -> Vector:
        self.asked += 1
        return mine + np.array(self.theirs, np.int64)


def verdict(**marks: int) -> Verdict:
    """Of workers `w0`, `w1`, ... with these marks; those below zero have no sample."""
    taken = tuple(Contribution(worker=int(name[1:]), step=0, read=0) for name in marks)
    terms = tuple(Terms(weight=float(mark >= 0), missing=max(mark, 0)) for mark in marks.values())
    return Verdict(round=0, taken=taken, terms=terms)


def test_where_nothing_is_missing_nobody_asks() -> None:
    told = Told([0, 0])
    gaps = Gaps(2, told)
    assert gaps.mark([True, True]) == 0
    assert gaps.present(verdict(w0=0, w1=0), 0).tolist() == [True, True]
    assert told.asked == 0


def test_what_one_has_is_there_and_each_mark_is_asked_for_once() -> None:
    told = Told([0, 0, 0])
    gaps = Gaps(3, told)
    mine = gaps.mark([True, False, False])
    for _ in range(3):
        assert gaps.present(verdict(w1=mine), 1).tolist() == [True, False, False]
    assert told.asked == 1
    told.theirs = [0, 1, 0]
    theirs = mine + 1
    assert gaps.present(verdict(w0=theirs, w1=mine), 1).tolist() == [True, True, False]
    assert told.asked == 2
    assert gaps.present(verdict(w0=-1, w1=mine), 1).tolist() == [True, False, False], (
        "who has no sample has no gradient"
    )
    told.theirs = [0, 0, 0]
    gaps.forget()
    gaps.present(verdict(w1=mine), 1)
    assert told.asked == 3
