"""Routes: every element exactly once, the header on each of them, neighbours joined up to a size."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.mechanisms import routes
from algorithms.mechanisms.plan import Piece, Route, Timing
from algorithms.mechanisms.routes import Tariff

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
    exchange, element = data.draw(st.sampled_from([0.0, 0.01, 1.0])), data.draw(st.sampled_from([0.0, 1e-8, 1e-2]))
    by_need = data.draw(st.booleans())
    planned = routes.planned(sizes, timings, deadlines, kinds, Tariff(exchange, element), by_need=by_need)
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
    tariff = Tariff(0.0, 1.1 / routes.GRAIN)  # one piece has left when they are ready
    route = routes.planned([small, large, header], timings, [2.0, 3.0, 0.0], "pph", tariff, by_need=False)
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
    timings = [Timing(ready=0.0, needed=1.0), Timing(ready=0.5, needed=0.0)]
    tariff = Tariff(0.0001, seconds / routes.GRAIN)
    single, together = (
        routes.planned([large, 4], timings, [9.0, 0.0], "ph", tariff, by_need=by_need) for by_need in (True, False)
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


@pytest.mark.parametrize("by_need", [True, False])
def test_pieces_are_large_where_each_costs_more_than_it_travels(by_need):
    size, travel, exchange = 256 * routes.GRAIN, 0.4, 0.004  # 256 MB through a ring of 64 on 10GbE
    timings = [Timing(ready=0.0, needed=1.0), Timing(ready=0.0, needed=0.0)]

    def pieces(exchange: float) -> int:
        tariff = Tariff(exchange, travel / size)
        return len(routes.planned([size, 4], timings, [9.0, 0.0], "ph", tariff, by_need=by_need).order) - 1

    count = pieces(exchange)
    assert count * exchange + travel / count == pytest.approx(2 * (travel * exchange) ** 0.5, rel=0.02)  # the least
    assert pieces(travel) == 1
    assert pieces(1e-6) == 256  # as always, where exchanges cost next to nothing


def test_what_an_exchange_costs_never_makes_pieces_smaller_nor_larger_than_everything():
    assert Tariff(1.0, 1e-9).grain(routes.GRAIN // 2) == routes.GRAIN
    assert Tariff(1.0, 0.0).grain(9 * routes.GRAIN) == routes.GRAIN
    assert Tariff(99.0, 1e-9).grain(9 * routes.GRAIN) == 9 * routes.GRAIN
    assert Tariff(0.0, 0.0).grain(9 * routes.GRAIN) == routes.GRAIN


def test_small_tensors_wait_for_one_another_where_an_exchange_takes_longer_than_the_wait():
    timings = [Timing(ready=0.01 * place, needed=1.0) for place in range(10)]

    def exchanges(toll: float) -> int:
        tariff = Tariff(toll, 1e-9)
        return len(routes.planned([100] * 10, timings, [0.0] * 10, "p" * 10, tariff, by_need=True).bundles)

    assert exchanges(0.0) == 10
    assert exchanges(0.025) == 3  # while the first two wait, and while they travel
    assert exchanges(1.0) == 1


def test_what_exchanges_cost_holds_no_agreement_and_what_elements_cost_no_exchange():
    now, calls = 0.0, 0

    def send(elements: int, exchanges: int) -> None:
        nonlocal now, calls
        calls += 1
        now += 2.0 + exchanges * (0.25 + elements * 1e-6)  # agreed upon, and then carried out one after the other
        now += 5.0 * (calls % 3 == 0)  # somebody else took the wire

    tariff = routes.measured(send, lambda: now)
    assert tariff.element == pytest.approx(1e-6)
    assert tariff.exchange == pytest.approx(0.25, rel=1e-4)
    assert tariff.agreement == pytest.approx(2.0, rel=1e-4)


def test_so_much_is_under_way_that_the_wire_idles_and_pieces_wait_for_each_other_as_little_as_they_can():
    elements, element, agreement = 1_000_000, 1e-6, 0.005  # a second of travel

    def lost(together: float) -> float:
        return agreement * elements / together + together * element / 2

    window = Tariff(0.0, element, agreement).window(elements, largest=1)
    assert lost(window) == pytest.approx(min(map(lost, range(1, elements, 100))), rel=1e-6)


def test_three_pieces_are_under_way_where_agreement_is_quick_and_never_more_than_everything():
    assert Tariff(0.0, 1e-6).window(1000, largest=100) == 300
    assert Tariff(0.0, 1e-6, agreement=1e-9).window(1000, largest=100) == 300
    assert Tariff(0.0, 1e-6, agreement=1e9).window(1000, largest=100) == 1100
    assert Tariff(0.0, 0.0, agreement=1.0).window(1000, largest=100) == 300


@given(sizes, st.sampled_from([0.5, 0.015]), st.booleans())
def test_what_is_coded_is_cut_as_its_format_allows(sizes: list[int], ratio: float, apart: bool) -> None:
    units = tuple(((0, size // 2), (size // 2, size)) if apart and size > 1 else None for size in sizes[:-1])
    freight = routes.Freight(ratio, units)
    timings = [Timing(0.1 * tensor, 1.0) for tensor in range(len(sizes))]
    planned = routes.planned(
        sizes, timings, [1.0] * len(sizes), [0] * len(sizes), Tariff(0.0, 1e-8), freight, by_need=True
    )
    for route in (routes.first(sizes, freight), routes.whole(sizes, freight), planned):
        assert carries_everything_once(route, sizes)
        for tensor, wanted in enumerate(units):
            if wanted is not None:
                assert {(piece.start, piece.stop) for piece in route.order if piece.tensor == tensor} == set(wanted)
        assert max(piece.size for piece in route.order) <= max(routes.GRAIN / ratio, 2 * routes.GRAIN)
