"""What a wire format is to time: how many bytes travel, and in how many exchanges one after the other."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from algorithms.contract import Algorithm
from algorithms.wire import NONE, Asked, Format, fitting
from algorithms.wire import named as format_named
from algorithms.wire.arrays import NumPyArrays
from algorithms.wire.format import Crossing, Memory, Reduce, Shape, Units
from suite.simulate.workload import ITEM

SMALL = (16, 16)  # a matrix that every format treats as it treats large ones


@dataclass(frozen=True)
class Wire:
    """`rounds`: exchanges one after the other for one tensor; `votes`: small ones ahead of each of those."""

    form: Format
    rounds: int
    votes: int

    def bytes(self, shape: tuple[int, ...]) -> float:
        """Of a tensor of this shape, whose first dimension is that of the outputs."""
        return float(self.form.bytes(_seen(shape), ITEM))

    def units(self, shape: tuple[int, ...]) -> Units | None:
        """The parts of such a tensor that travel as a whole each; None: it may be cut anywhere."""
        return self.form.units(_seen(shape))


def _seen(shape: tuple[int, ...]) -> Shape:
    """As formats see it: rows and columns, or numbers in a row."""
    elements = math.prod(shape)
    return (shape[0], elements // shape[0]) if len(shape) > 1 and elements else (elements,)


def named(asked: Asked) -> Wire:
    """`fp16`, `powersgd:rank=2`."""
    return _timed(format_named(asked))


def fitted(asked: Asked, algorithm: Algorithm, workers: int) -> Wire:
    """The same for this algorithm; ValueError where it cannot be carried in that form."""
    return _timed(fitting(asked, algorithm, workers))


def where_it_fits(asked: Asked, algorithm: Algorithm, workers: int) -> str:
    """The format asked for, or none where this algorithm refuses it."""
    try:
        return str(fitting(asked, algorithm, workers))
    except ValueError:
        format_named(asked)  # a name that nobody knows is a mistake all the same
        return str(NONE)


@functools.cache
def _timed(form: Format) -> Wire:
    """Its exchanges are counted on the way of a small matrix."""
    part = np.ones(SMALL[0] * SMALL[1], np.float32)
    memory = Memory(np.zeros_like(part), form.basis(SMALL, 0)) if form.feeds_back else Memory()
    journey = form.journey(part, memory, Crossing(workers=2, shape=SMALL, mean=True), NumPyArrays())
    leg, legs = next(journey), []
    while True:
        legs.append(leg.reduce)
        try:
            leg = journey.send(leg.array)
        except StopIteration:
            votes = legs.count(Reduce.MAX)
            return Wire(form, rounds=len(legs) - votes, votes=votes)
