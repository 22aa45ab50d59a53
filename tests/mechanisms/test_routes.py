"""Routes: every element exactly once, the header on each of them, neighbours joined up to a size."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.mechanisms import routes
from algorithms.mechanisms.plan import Piece, Route, Timing

sizes = st.lists(st.integers(0, 3 * routes.GRAIN), min_size=1, max_size=6).map(lambda given: [*given, 16])
times = st.floats(0, 10, allow_nan=False)


def carries_everything_once(route: Route, sizes: list[int]) -> bool:
    for tensor, size in enumerate(sizes):
        ends = sorted((piece.start, piece.stop) for piece in route.order if piece.tensor == tensor)
        covered = [0, *(edge for pair in ends for edge in pair), size]
        if any(before != after for before, after in list(pairwise(covered))[::2]):
            return False
    return True


@given(sizes, st.data())
def test_every_route_carries_each_element_once(sizes, data):
    timings = [Timing(data.draw(times), data.draw(times)) for _ in sizes]
    kinds = [data.draw(st.sampled_from("ab")) for _ in sizes]
    deadlines = [timing.needed for timing in timings]
    cost, by_need = data.draw(st.sampled_from([0.0, 1e-8, 1e-2])), data.draw(st.booleans())
    planned = routes.planned(sizes, timings, deadlines, kinds, cost, by_need=by_need)
    for route in (routes.first(sizes), routes.whole(sizes), planned):
        assert carries_everything_once(route, sizes)
        assert all(piece.size for piece in route.order)
        assert route.window >= max(sum(piece.size for piece in bundle) for bundle in route.bundles)
        assert all(len({kinds[piece.tensor] for piece in bundle}) == 1 for bundle in route.bundles)


def test_before_a_profile_the_last_tensor_leaves_first_and_the_header_last():
    route = routes.first([5, routes.GRAIN + 1, 7, 2])
    assert [piece.tensor for piece in route.order] == [2, 1, 1, 0, 3]


def test_a_planned_route_sends_what_is_needed_first():
    small, large, header = 100, 4 * routes.GRAIN, 4
    timings = [Timing(ready=1.0, needed=2.0), Timing(ready=0.0, needed=3.0), Timing(ready=1.0, needed=0.0)]
    cost = 1.1 / routes.GRAIN  # one piece has left when they are ready
    route = routes.planned([small, large, header], timings, [2.0, 3.0, 0.0], "pph", cost, by_need=False)
    assert [piece.tensor for piece in route.order] == [
        1,
        1,
        2,
        0,
        1,
        1,
    ]  # and another one leaves before them, for safety


@pytest.mark.parametrize(
    ("large", "seconds", "largest"),
    [
        (
            2 * routes.GRAIN,
            1.0,
            2 * routes.GRAIN // routes.SHARE,
        ),  # a share of all, for nothing urgent waits long behind it
        (2 * routes.GRAIN, 0.02, 0.4 * routes.GRAIN),  # but worth its exchange
        (2 * routes.GRAIN, 0.001, routes.GRAIN),
        (99 * routes.GRAIN, 1.0, routes.GRAIN),
    ],
)
def test_pieces_are_small_where_tensors_are_waited_for_one_by_one(large, seconds, largest):
    timings, cost = [Timing(ready=0.0, needed=1.0), Timing(ready=0.5, needed=0.0)], seconds / routes.GRAIN
    single, together = (
        routes.planned([large, 4], timings, [9.0, 0.0], "ph", cost, by_need=by_need) for by_need in (True, False)
    )
    assert 0.8 * largest <= max(piece.size for piece in single.order) <= largest
    assert max(piece.size for piece in together.order) == routes.GRAIN


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        ([(0, 0, 4), (0, 4, 8)], [(0, 0, 8)]),
        ([(0, 0, 4), (0, 4, 8), (0, 8, 12)], [(0, 0, 8), (0, 8, 12)]),  # no more than the largest
        ([(0, 0, 4), (1, 0, 4), (0, 4, 8)], [(0, 0, 4), (1, 0, 4), (0, 4, 8)]),  # something comes in between
        ([(0, 4, 8), (0, 0, 4)], [(0, 4, 8), (0, 0, 4)]),  # not in this order
        ([], []),
    ],
)
def test_neighbours_travel_together(pieces, joined):
    assert routes.joined([Piece(*piece) for piece in pieces], largest=8) == tuple(Piece(*piece) for piece in joined)


def test_the_cost_of_an_element_holds_nothing_that_every_exchange_costs():
    now, noise = 0.0, iter([0.0, 5.0, 3.0, 0.0, 1.0, 0.0])  # of the six that are timed: each size is undisturbed once

    def send(elements: int) -> None:
        nonlocal now
        now += 0.25 + elements * 1e-6 + (next(noise) if elements > 1 else 0.0)

    assert routes.seconds_per_element(send, lambda: now) == pytest.approx(1e-6)


@given(sizes, st.sampled_from([0.5, 0.015]), st.booleans())
def test_what_is_coded_is_cut_as_its_format_allows(sizes: list[int], ratio: float, apart: bool) -> None:
    units = tuple(((0, size // 2), (size // 2, size)) if apart and size > 1 else None for size in sizes[:-1])
    freight = routes.Freight(ratio, units)
    timings = [Timing(0.1 * tensor, 1.0) for tensor in range(len(sizes))]
    planned = routes.planned(sizes, timings, [1.0] * len(sizes), [0] * len(sizes), 1e-8, freight, by_need=True)
    for route in (routes.first(sizes, freight), routes.whole(sizes, freight), planned):
        assert carries_everything_once(route, sizes)
        for tensor, wanted in enumerate(units):
            if wanted is not None:
                assert {(piece.start, piece.stop) for piece in route.order if piece.tensor == tensor} == set(wanted)
        assert max(piece.size for piece in route.order) <= max(routes.GRAIN / ratio, 2 * routes.GRAIN)
