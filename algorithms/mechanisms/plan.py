"""In which order on the wire: the transmission plan, a pure function of sizes and times, equal on every worker.

One wire carries everything one after the other. A tensor that is ready early may be needed late (the last layers of a
net), so sending in order of readiness makes the tensors that the next forward needs first queue behind the big ones. Cut
into pieces, and always sending the ready piece that is needed earliest, the wire is never idle and never late by more
than a piece. Every worker must send the same list: a collective meets its like or nothing.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Self


@dataclass(frozen=True, order=True)
class Piece:
    """Elements start..stop of one tensor, as it lies flat."""

    tensor: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Timing:
    """When a tensor's gradient is ready and when its parameter is needed again, in seconds on one clock."""

    ready: float
    needed: float


@dataclass(frozen=True)
class Route:
    """What one flight carries: every piece of every tensor, in the order of transmission. A bundle leaves as one."""

    bundles: tuple[tuple[Piece, ...], ...]
    window: int  # elements on the wire at once; a bundle that is larger travels alone

    @property
    def order(self) -> tuple[Piece, ...]:
        return tuple(chain.from_iterable(self.bundles))

    @classmethod
    def singly(cls, order: Iterable[Piece], window: int) -> Self:
        """Every piece on its own."""
        return cls(tuple((piece,) for piece in order), window)

    def pieces_of(self) -> dict[int, int]:
        """How many pieces each tensor has."""
        return dict(Counter(piece.tensor for piece in self.order))


def cut(sizes: Sequence[int], largest: int) -> list[Piece]:
    """Cut tensors into pieces of at most `largest` elements, those of one tensor as equal as they can be."""
    if largest < 1:
        raise ValueError(f"largest={largest}: a piece has at least 1 element")
    pieces = []
    for tensor, size in enumerate(sizes):
        count = -(-size // largest)
        edges = [size * i // count for i in range(count + 1)] if count else []
        pieces += [Piece(tensor, start, stop) for start, stop in pairwise(edges)]
    return pieces


def order(
    pieces: Sequence[Piece], timings: Sequence[Timing], seconds_per_element: float, margin: float = 0.0
) -> tuple[Piece, ...]:
    """Whenever the wire is free, send the ready piece that is needed earliest; while none is ready, wait.

    What is ready only since `margin` seconds waits while there is something else to send. The list is binding: where the
    wire is ahead of the plan, a piece that is not there yet keeps it idle, which costs more than one that comes later.
    """
    coming = sorted(pieces, key=lambda piece: (timings[piece.tensor].ready, piece))
    waiting: list[tuple[float, Piece]] = []
    planned: list[Piece] = []
    now, arrived = 0.0, 0
    while arrived < len(coming) or waiting:
        since = now - margin
        if not waiting:
            since = max(since, timings[coming[arrived].tensor].ready)
            now = max(now, since)
        while arrived < len(coming) and timings[coming[arrived].tensor].ready <= since:
            piece = coming[arrived]
            heapq.heappush(waiting, (timings[piece.tensor].needed, piece))
            arrived += 1
        piece = heapq.heappop(waiting)[1]
        planned.append(piece)
        now += piece.size * seconds_per_element
    return tuple(planned)


def bundled(
    pieces: Sequence[Piece],
    timings: Sequence[Timing],
    deadlines: Sequence[float],
    kinds: Sequence[Hashable],
    seconds_per_element: float,
    *,
    toll: float = 0.0,
    longest: float,
    urgent: float,
    slack: float,
    queued: int = 0,
) -> tuple[tuple[Piece, ...], ...]:
    """Neighbours on the wire that leave as one, since every exchange costs something besides its bytes.

    A bundle leaves when its last piece is ready and lands as a whole, so a piece joins only if no other lands more than
    `urgent` seconds later for it, or if all of them still land `slack` seconds before their deadlines. A bundle is on the
    wire for `longest` seconds at most: where the wire is what everybody waits for, it idles no longer than that for it.
    What would queue for the wire anyway may travel as one up to `queued` elements, whoever waits for it: of use where all
    are waited for together. Only tensors of one kind can share an exchange. `toll`: seconds that any exchange takes besides
    its elements.
    """
    bundles: list[list[Piece]] = []
    now = alone = ready = needed = 0.0
    for piece in pieces:
        seconds = piece.size * seconds_per_element
        if bundles:
            together = max(ready, timings[piece.tensor].ready)
            elements = piece.size + sum(other.size for other in bundles[-1])
            length = elements * seconds_per_element
            lands = max(now, together) + toll + length
            first = min(needed, deadlines[piece.tensor])
            alike = kinds[piece.tensor] == kinds[bundles[-1][0].tensor]
            unhurried = length <= longest and (lands <= alone + urgent or lands <= first - slack)
            if alike and (unhurried or (timings[piece.tensor].ready <= max(now, ready) and elements <= queued)):
                bundles[-1].append(piece)
                ready, needed = together, first
                continue
            now = max(now, ready) + toll + length - seconds
        bundles.append([piece])
        ready, needed = timings[piece.tensor].ready, deadlines[piece.tensor]
        alone = max(now, ready) + toll + seconds
    return tuple(map(tuple, bundles))


def landings(planned: Sequence[Piece], timings: Sequence[Timing], seconds_per_element: float) -> list[float]:
    """When each tensor has landed whole if the pieces go one after the other, none before its tensor is ready."""
    landed = [timing.ready for timing in timings]
    now = 0.0
    for piece in planned:
        now = max(now, timings[piece.tensor].ready) + piece.size * seconds_per_element
        landed[piece.tensor] = now
    return landed
