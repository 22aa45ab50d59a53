"""Routes for flights: sizes of pieces and windows, before and after a profile of the step is known.

Elements are counted as if they were float32. The last tensor of every route is the small header of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from algorithms.mechanisms.plan import Piece, Route, Timing, bundled, cut, order

MEGABYTE = 1 << 18  # float32 elements
GRAIN = (
    MEGABYTE  # how finely transmission is planned, and what travels as one; 0.25, 2 and 4 MB were slower on two hosts
)
SEVERAL = 8  # exchanges at once, to see what each costs
SHARE = 28  # where tensors are waited for one by one, a piece is no more than this part of everything that travels,
GRAIN_SECONDS = 0.008  # unless it is on the wire for less than this: what an exchange costs would come to outweigh it
BUNDLE_SECONDS = 0.002  # on the wire; small tensors go together up to this, or to GRAIN
URGENT_SECONDS = 0.001  # that a tensor may land later for others in its bundle, whenever it is needed,
SLACK_SECONDS = 0.01  # and otherwise only if it lands so long before it is needed
WINDOW = 3  # pieces at least: one on the wire, one agreed upon, one being agreed upon

Units = tuple[tuple[int, int], ...]  # first and behind the last element of what must not be cut


@dataclass(frozen=True)
class Freight:
    """What a route must know of the form in which tensors travel."""

    ratio: float = 1.0  # bytes on the wire for each byte of the tensors
    units: tuple[Units | None, ...] = ()  # by tensor; None, or missing: it may be cut anywhere

    def pieces(self, sizes: Sequence[int], largest: int) -> list[Piece]:
        """Of at most `largest` elements where they may be cut."""
        cuts = {number: units for number, units in enumerate(self.units) if units is not None}
        free = cut([0 if number in cuts else size for number, size in enumerate(sizes)], largest)
        return sorted([*free, *(Piece(number, *unit) for number, units in cuts.items() for unit in units)])

    @property
    def apart(self) -> bool:
        """Whether neighbours must not become one."""
        return any(units is not None for units in self.units)

    def grain(self, elements: int) -> int:
        """As many elements as are on the wire what so many would be as they are."""
        return max(1, int(elements / self.ratio))


AS_IT_IS = Freight()


@dataclass(frozen=True)
class Tariff:
    """Seconds that an exchange takes while others queue behind it: however small it is, and for each element. And those
    that go by, while the wire idles, until all workers have agreed upon what was handed over while something travelled.
    """

    exchange: float
    element: float
    agreement: float = 0.0

    def of(self, freight: Freight) -> Tariff:
        """For each element before it is coded."""
        return replace(self, element=self.element * freight.ratio)

    def grain(self, elements: int) -> int:
        """Of a piece, where so many travel in all.

        Each piece pays for an exchange, and the last one travels while nobody computes. Both together are least where a
        piece travels for the root of an exchange's cost times the travel of everything.
        """
        if self.element == 0:  # too little to be seen
            return GRAIN
        best = math.sqrt(self.exchange * elements / self.element)
        return GRAIN * max(1, int(min(best, elements) / GRAIN))

    def window(self, elements: int, largest: int) -> int:
        """Of what is under way at once, where so many travel in all in pieces up to the largest.

        Behind a piece that travels, all the others are agreed upon at once and land as one: the more they are, the seldomer
        the wire idles, and the longer each of them, on average half of their travel, waits for the last. Both together are
        least where they travel for the root of two agreements times the travel of everything.
        """
        together = math.sqrt(2 * self.agreement * elements / self.element) if self.element else 0.0
        return max(WINDOW * largest, largest + int(min(together, elements)))


def measured(send: Callable[[int, int], object], clock: Callable[[], float], rounds: int = 3) -> Tariff:
    """What exchanges cost here.

    `send(elements, exchanges)` makes so many of so many elements at once, none of which become one, and comes back when all
    are here, agreed upon together. A small exchange before those lets all workers begin together; it has to be agreed upon
    as one is that is handed over because another has landed.
    """
    alone = []
    fastest = dict.fromkeys(((1, 1), (1, SEVERAL), (MEGABYTE, 1), (4 * MEGABYTE, 1)), math.inf)
    for _ in range(rounds):
        for what in fastest:
            called = clock()
            send(1, 1)
            begun = clock()
            alone.append(begun - called)
            send(*what)
            fastest[what] = min(fastest[what], clock() - begun)
    one, several, small, large = fastest.values()
    exchange = max(several - one, 0.0) / (SEVERAL - 1)
    return Tariff(exchange, max(large - small, 0.0) / (3 * MEGABYTE), agreement=max(median(alone) - exchange, 0.0))


def first(sizes: Sequence[int], freight: Freight = AS_IT_IS) -> Route:
    """Before anything is known: the last tensors first, since backward mostly goes that way; the header last."""
    *parameters, header = freight.pieces(sizes, freight.grain(GRAIN))
    backward = sorted(parameters, key=lambda piece: (-piece.tensor, piece.start))
    return windowed([*backward, header])


def windowed(pieces: Sequence[Piece], tariff: Tariff | None = None) -> Route:
    """Every piece on its own, so many under way at once."""
    largest = max((GRAIN, *(piece.size for piece in pieces)))
    known = tariff or Tariff(0.0, 0.0)
    return Route.singly(pieces, known.window(sum(piece.size for piece in pieces), largest))


def whole(sizes: Sequence[int], freight: Freight = AS_IT_IS) -> Route:
    """Everything at once and uncut; what is coded piece by piece, so that one is coded while another travels."""
    if freight.ratio != 1:
        return windowed(freight.pieces(sizes, freight.grain(GRAIN)))
    return Route.singly(freight.pieces(sizes, max(sizes)), sum(sizes))


def planned(
    sizes: Sequence[int],
    timings: Sequence[Timing],
    deadlines: Sequence[float],
    kinds: Sequence[Hashable],
    tariff: Tariff,
    freight: Freight = AS_IT_IS,
    *,
    by_need: bool,
) -> Route:
    """Whenever the wire is free, what is ready and needed first; small tensors together where nobody has to wait for it.

    `deadlines` say when each tensor must have landed; `needed` in the timings says only which one goes first. Tensors of
    one of the `kinds` can share an exchange. `by_need`: they are waited for one by one, otherwise all together.
    """
    coded = tariff.of(freight)
    seconds_per_element = coded.element
    grain = largest = grain_of(sizes, tariff, freight)
    if by_need and seconds_per_element and largest <= freight.grain(GRAIN):
        grain = min(largest, max(sum(sizes) // SHARE, int(GRAIN_SECONDS / seconds_per_element), 1))
    # The wire may be ahead of the plan by a piece before it idles.
    pieces = order(freight.pieces(sizes, grain), timings, seconds_per_element, grain * seconds_per_element)
    pieces = pieces if freight.apart else joined(pieces, grain)
    bundles = bundled(
        pieces,
        timings,
        deadlines,
        kinds,
        seconds_per_element,
        toll=tariff.exchange,
        longest=max(tariff.exchange, min(BUNDLE_SECONDS, grain * seconds_per_element)),
        urgent=max(tariff.exchange, URGENT_SECONDS),
        slack=SLACK_SECONDS,
        queued=0 if by_need else grain,
    )
    largest = max((sum(piece.size for piece in bundle) for bundle in bundles), default=largest)
    return Route(bundles, coded.window(sum(sizes), largest))


def grain_of(sizes: Sequence[int], tariff: Tariff, freight: Freight) -> int:
    """Elements of a piece, before they are coded."""
    return freight.grain(tariff.grain(math.ceil(sum(sizes) * freight.ratio)))


def joined(pieces: Iterable[Piece], largest: int) -> tuple[Piece, ...]:
    """Neighbours that follow one another travel as one, up to a size: each exchange costs something of its own."""
    result: list[Piece] = []
    for piece in pieces:
        last = result[-1] if result else None
        if last and last.tensor == piece.tensor and last.stop == piece.start and last.size + piece.size <= largest:
            result[-1] = Piece(piece.tensor, last.start, piece.stop)
        else:
            result.append(piece)
    return tuple(result)
