"""Plans, pieces, schedules and averages: pure functions, each element exactly once whatever the sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.mechanisms.averages import moving, running_mean
from algorithms.mechanisms.plan import Piece, Timing, bundled, cut, landings, order
from algorithms.mechanisms.schedules import after_every, after_warmup, before_every

sizes = st.lists(st.integers(0, 500), max_size=12)
times = st.floats(0, 10, allow_nan=False)


@given(sizes, st.integers(1, 200))
def test_pieces_hold_each_element_once(sizes, largest):
    pieces = cut(sizes, largest)
    seen = [np.zeros(size, int) for size in sizes]
    for piece in pieces:
        assert 0 < piece.size <= largest
        seen[piece.tensor][piece.start : piece.stop] += 1
    assert all((counts == 1).all() for counts in seen)
    for tensor in range(len(sizes)):
        lengths = [piece.size for piece in pieces if piece.tensor == tensor]
        assert not lengths or max(lengths) - min(lengths) <= 1


@given(sizes, st.integers(1, 200), st.floats(0, 0.1), st.data())
def test_a_plan_is_a_permutation_and_never_idles_while_something_is_ready(sizes, largest, rate, data):
    pieces = cut(sizes, largest)
    timings = [Timing(data.draw(times), data.draw(times)) for _ in sizes]
    planned = order(pieces, timings, rate)
    assert sorted(planned) == sorted(pieces)
    now = 0.0
    for position, piece in enumerate(planned):
        ready = timings[piece.tensor].ready
        if ready > now:  # the wire waited: nothing else could have been sent
            assert all(timings[later.tensor].ready >= ready for later in planned[position:])
            now = ready
        for later in planned[position:]:
            if timings[later.tensor].ready <= now:
                assert timings[later.tensor].needed >= timings[piece.tensor].needed
        now += piece.size * rate


@given(sizes, st.integers(1, 200), st.floats(0, 0.1), st.data())
def test_landings_come_after_readiness_and_in_the_order_of_the_wire(sizes, largest, rate, data):
    pieces = cut(sizes, largest)
    timings = [Timing(data.draw(times), data.draw(times)) for _ in sizes]
    landed = landings(order(pieces, timings, rate), timings, rate)
    assert all(at >= timing.ready for at, timing in zip(landed, timings, strict=True))
    travelling = {piece.tensor for piece in pieces}  # an empty tensor has landed when it is ready
    if travelling:
        latest = max(timings[tensor].ready for tensor in travelling)
        assert max(landed[tensor] for tensor in travelling) <= latest + sum(sizes) * rate + 1e-9


def test_what_is_needed_first_overtakes():
    """AlexNet in small: the last layer is huge and ready first, the first one is tiny and needed first."""
    pieces = cut([2, 10], 2)
    timings = [Timing(ready=2.5, needed=0), Timing(ready=0, needed=1)]
    planned = order(pieces, timings, 0.5)
    assert planned[3] == Piece(0, 0, 2)
    assert landings(planned, timings, 0.5)[0] == 4.0
    assert landings(sorted(pieces, key=lambda p: timings[p.tensor].ready), timings, 0.5)[0] == 6.0


LIMITS = {"longest": 4.0, "urgent": 0.5, "slack": 1.0}


@given(sizes, st.integers(1, 200), st.floats(0, 0.1), st.data())
def test_bundles_keep_the_order_and_land_in_time(sizes, largest, rate, data):
    pieces = cut(sizes, largest)
    timings = [Timing(data.draw(times), data.draw(times)) for _ in sizes]
    kinds = [data.draw(st.sampled_from("ab")) for _ in sizes]
    deadlines = [data.draw(times) for _ in sizes]
    planned = order(pieces, timings, rate)
    bundles = bundled(planned, timings, deadlines, kinds, rate, **LIMITS)
    assert [piece for bundle in bundles for piece in bundle] == list(planned)
    now = 0.0
    for bundle in bundles:
        seconds = sum(piece.size for piece in bundle) * rate
        lands = max([now, *(timings[piece.tensor].ready for piece in bundle)]) + seconds
        if len(bundle) > 1:
            assert len({kinds[piece.tensor] for piece in bundle}) == 1
            assert seconds <= LIMITS["longest"]
            alone = max(now, timings[bundle[0].tensor].ready) + bundle[0].size * rate
            in_time = lands <= min(deadlines[piece.tensor] for piece in bundle) - LIMITS["slack"] + 1e-9
            assert in_time or lands <= alone + LIMITS["urgent"] + 1e-9
        now = lands


@pytest.mark.parametrize(
    ("ready", "deadlines", "kinds", "bundles"),
    [
        ([0, 1, 2], [9, 9, 9], "aaa", [[0, 1, 2]]),  # nobody waits for them
        ([0, 1, 2], [9, 9, 9], "aab", [[0, 1], [2]]),
        ([0, 1, 2], [2.5, 9, 9], "aaa", [[0], [1, 2]]),  # the first would not be there a slack before its deadline
        ([0, 0, 0.3], [0, 0, 0], "aaa", [[0, 1], [2]]),  # all are late, and two cost the first little
        ([0, 0, 0], [99, 99, 99], "aaa", [[0, 1, 2]]),
    ],
)
def test_small_neighbours_leave_together_where_nobody_waits_for_it(ready, deadlines, kinds, bundles):
    pieces = [Piece(tensor, 0, 1) for tensor in range(3)]
    timings = [Timing(at, 0) for at in ready]
    found = bundled(pieces, timings, deadlines, kinds, 0.4, **LIMITS)
    assert [[piece.tensor for piece in bundle] for bundle in found] == bundles


@pytest.mark.parametrize(
    ("ready", "queued", "bundles"),
    [
        ([0, 0, 0, 0], 3, [[0, 1, 2], [3]]),  # late as they all are
        ([0, 0, 0, 0], 2, [[0, 1], [2, 3]]),
        ([0, 0, 0, 0], 0, [[0], [1], [2], [3]]),
        ([0, 1, 2, 3], 3, [[0], [1, 2], [3]]),  # the wire is busy with the first until 2, and then with both until 6
        ([0, 5, 9, 20], 3, [[0], [1], [2], [3]]),  # it would idle until the next is ready
    ],
)
def test_what_queues_anyway_may_travel_as_one(ready, queued, bundles):
    pieces = [Piece(tensor, 0, 1) for tensor in range(4)]
    found = bundled(pieces, [Timing(at, 0) for at in ready], [0.0] * 4, "aaaa", 2.0, **LIMITS, queued=queued)
    assert [[piece.tensor for piece in bundle] for bundle in found] == bundles


def test_a_bundle_is_not_long():
    pieces = [Piece(tensor, 0, 1) for tensor in range(5)]
    found = bundled(pieces, [Timing(0, 0)] * 5, [99.0] * 5, "aaaaa", 2.0, **LIMITS)
    assert [len(bundle) for bundle in found] == [2, 2, 1]


def test_a_piece_has_an_element():
    with pytest.raises(ValueError, match="largest=0"):
        cut([3], 0)


@given(st.integers(1, 20), st.integers(0, 30), st.integers(0, 100))
def test_schedules(period, warmup, step):
    assert before_every(period, step) == (step in range(0, 101, period))
    assert after_every(period, step) == before_every(period, step + 1)
    assert after_warmup(period, warmup, step) == (step < warmup or after_every(period, step - warmup))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30))
def test_averages(values):
    mean = values[0]
    for seen, value in enumerate(values[1:], start=1):
        mean = running_mean(mean, value, seen)
    assert mean == pytest.approx(np.mean(values), abs=1e-9)
    assert moving(1.0, 3.0, 0.75) == 1.5


def test_what_has_just_become_ready_waits_within_the_margin():
    pieces = [Piece(0, 0, 1), *(Piece(1, i, i + 1) for i in range(3))]
    timings = [Timing(ready=0.9, needed=2.0), Timing(ready=0.0, needed=3.0)]
    tensors = {margin: [p.tensor for p in order(pieces, timings, 1.0, margin)] for margin in (0.0, 1.0, 9.0)}
    assert tensors == {0.0: [1, 0, 1, 1], 1.0: [1, 1, 0, 1], 9.0: [1, 1, 1, 0]}


def test_nothing_waits_within_the_margin_while_the_wire_is_free():
    timings = [Timing(ready=2.0, needed=2.0), Timing(ready=0.0, needed=3.0)]
    assert [p.tensor for p in order([Piece(0, 0, 1), Piece(1, 0, 1)], timings, 1.0, margin=9.0)] == [1, 0]
