"""One helper thread carries flights: in the planned order, within the window, whatever the order of readiness."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Sequence

import pytest

from algorithms.mechanisms import flights
from algorithms.mechanisms.flights import Courier, Lost
from algorithms.mechanisms.plan import Piece, Route, cut
from tests.patience import PATIENCE, eventually, stands


class FakeWire:
    """Remembers what was sent; exchanges end when the test says so, or after so many looks."""

    def __init__(self, looks: int | None = 1) -> None:
        self.looks = looks  # None: only `end` ends them
        self.sent: list[tuple[str, Piece, str]] = []  # the first part of each exchange
        self.bundles: list[list[str]] = []
        self.sizes: list[int] = []
        self.ended: set[int] = set()
        self.taken: list[int] = []
        self.whole: list[str] = []
        self.seen: dict[int, int] = {}
        self.polls = 0
        self.elements = 0
        self.most = 0
        self.fail_on: int | None = None
        self.threads: set[int] = set()

    def send(self, parts: Sequence[tuple[str, Piece]], name: str) -> int:
        aloft = {self.sent[handle][2] for handle in range(len(self.sent)) if handle not in self.taken}
        assert name not in aloft, "a name may be in flight once"
        self.threads.add(threading.get_ident())
        self.sent.append((parts[0][0], parts[0][1], name))
        self.bundles.append([cargo for cargo, _ in parts])
        self.sizes.append(sum(piece.size for _, piece in parts))
        self.elements += self.sizes[-1]
        self.most = max(self.most, self.elements)
        return len(self.sent) - 1

    def done(self, handle: int) -> bool:
        self.polls += 1
        self.seen[handle] = self.seen.get(handle, 0) + 1
        return handle in self.ended or (self.looks is not None and self.seen[handle] > self.looks)

    def take(self, handle: int) -> None:
        if handle == self.fail_on:
            raise OSError("the network is gone")
        self.taken.append(handle)
        self.elements -= self.sizes[handle]

    def landed(self, cargo: str) -> None:
        self.whole.append(cargo)


@pytest.fixture
def wire() -> FakeWire:
    return FakeWire()


@pytest.fixture
def courier(wire: FakeWire) -> Iterator[Courier[str]]:
    courier: Courier[str] = Courier(wire, "test.")
    yield courier
    courier.close()


def route(sizes: list[int], largest: int = 2, window: int = 4) -> Route:
    return Route.singly(cut(sizes, largest), window)


@pytest.fixture
def held(wire: FakeWire, courier: Courier[str]) -> None:
    """An exchange of one element on the wire, so that the helper goes on looking; with `looks` again, it ends."""
    wire.looks = None
    courier.open(Route.singly([Piece(99, 0, 1)], 4)).give(99, "held")
    eventually(lambda: wire.sent)


def seconds_of(looks: int, wire: FakeWire) -> float:
    """How long the helper takes to look at the wire so many times; it has then sent all that could leave."""
    began, wanted = time.monotonic(), wire.polls + looks
    eventually(lambda: wire.polls >= wanted)
    return time.monotonic() - began


def test_pieces_leave_in_the_order_of_the_route_whatever_is_ready_first(wire: FakeWire, courier: Courier[str]) -> None:
    order = (Piece(2, 0, 3), Piece(0, 0, 2), Piece(1, 0, 1), Piece(0, 2, 4))
    flight = courier.open(Route.singly(order, 4))
    for tensor in (1, 0, 2):
        flight.give(tensor, f"t{tensor}")
    flight.wait([0, 1, 2])
    assert [piece for _, piece, _ in wire.sent] == list(order)
    assert [cargo for cargo, _, _ in wire.sent] == ["t2", "t0", "t1", "t0"]
    assert sorted(wire.whole) == ["t0", "t1", "t2"]
    assert threading.get_ident() not in wire.threads


@pytest.mark.usefixtures("held")
def test_nothing_leaves_past_a_tensor_that_is_not_ready(wire: FakeWire, courier: Courier[str]) -> None:
    flight = courier.open(route([2, 2, 2], window=100))
    flight.give(2, "c")
    flight.give(0, "a")
    eventually(lambda: len(wire.sent) == 2)
    seconds_of(3, wire)
    assert [cargo for cargo, _, _ in wire.sent] == ["held", "a"]
    wire.looks = 1
    flight.give(1, "b")
    flight.wait([1, 2])
    assert [cargo for cargo, _, _ in wire.sent] == ["held", "a", "b", "c"]


@pytest.mark.usefixtures("held")
def test_a_bundle_leaves_as_one_when_all_of_it_is_there(wire: FakeWire, courier: Courier[str]) -> None:
    a, b, rest, c = Piece(0, 0, 1), Piece(1, 0, 1), Piece(1, 1, 3), Piece(2, 0, 2)
    flight = courier.open(Route(((a, b), (rest, c)), window=4))
    flight.give(1, "b")
    flight.give(2, "c")
    seconds_of(3, wire)
    assert wire.bundles == [["held"]]
    wire.looks = 1
    flight.give(0, "a")
    flight.wait([0, 1, 2])
    assert wire.bundles == [["held"], ["a", "b"], ["b", "c"]]
    assert wire.most == 4, "of a window of four, six wanted to travel"
    assert wire.whole == ["held", "a", "b", "c"]


def test_a_bundle_may_hold_two_pieces_of_a_tensor(wire: FakeWire, courier: Courier[str]) -> None:
    flight = courier.open(Route(((Piece(0, 0, 1), Piece(1, 0, 1), Piece(0, 1, 2)),), window=4))
    flight.give(0, "a")
    flight.give(1, "b")
    flight.wait([0, 1])
    assert sorted(wire.whole) == ["a", "b"]


def test_the_window_is_full_and_never_overfull(wire: FakeWire, courier: Courier[str]) -> None:
    flight = courier.open(route([20, 7], largest=2, window=5))
    flight.give(0, "a")
    flight.give(1, "b")
    flight.wait([0, 1])
    assert wire.most == 4  # two pieces of two: a third would make six


def test_a_piece_larger_than_the_window_travels_alone(wire: FakeWire, courier: Courier[str]) -> None:
    flight = courier.open(route([9, 1], largest=9, window=2))
    flight.give(0, "a")
    flight.give(1, "b")
    flight.wait([0, 1])
    assert wire.most == 9


@pytest.mark.parametrize(("lanes", "aloft"), [(1, 1), (3, 3)])
def test_lanes_let_flights_overlap_without_sharing_a_name(lanes: int, aloft: int) -> None:
    wire = FakeWire(looks=None)
    courier: Courier[str] = Courier(wire, "test.", lanes=lanes)
    flights = [courier.open(route([2], window=100)) for _ in range(3)]
    for flight in flights:
        flight.give(0, "a")
    eventually(lambda: len(wire.sent) == aloft)
    seconds_of(3, wire)
    assert len(wire.sent) == aloft
    for handle in range(3):
        eventually(lambda handle=handle: len(wire.sent) > handle)
        wire.ended.add(handle)
    for flight in flights:
        flight.wait([0])
    courier.close()


@pytest.mark.usefixtures("held")
def test_later_flights_follow_earlier_ones(wire: FakeWire, courier: Courier[str]) -> None:
    first, second = courier.open(route([2, 2])), courier.open(route([2, 2]))
    for tensor in (0, 1):
        second.give(tensor, f"second{tensor}")
    seconds_of(3, wire)
    assert [cargo for cargo, _, _ in wire.sent] == ["held"]
    wire.looks = 1
    for tensor in (0, 1):
        first.give(tensor, f"first{tensor}")
    second.wait([0, 1])
    assert [cargo for cargo, _, _ in wire.sent] == ["held", "first0", "first1", "second0", "second1"]


def test_a_flight_that_has_landed_is_kept_by_nobody(wire: FakeWire, courier: Courier[str]) -> None:
    """Its gradients would stay in memory until the next step's first one, beside those that backward makes."""
    flight = courier.open(route([2, 2]))
    for tensor in (0, 1):
        flight.give(tensor, f"t{tensor}")
    flight.wait([0, 1])
    kept = weakref.ref(flight)
    del flight
    eventually(lambda: kept() is None)


def test_whichever_group_has_landed_is_told() -> None:
    wire = FakeWire(looks=None)
    courier: Courier[str] = Courier(wire, "test.")
    flight = courier.open(route([2, 2, 2], window=100))
    for tensor in range(3):
        flight.give(tensor, "x")
    eventually(lambda: len(wire.sent) == 3)
    wire.ended.add(0)
    assert flight.wait_any([(0,), (1, 2)]) == [(0,)]
    wire.ended |= {1, 2}
    assert flight.wait_any([(1, 2)]) == [(1, 2)]
    assert flight.wait_any([]) == []
    courier.close()


def test_empty_tensors_have_nothing_to_wait_for(wire: FakeWire, courier: Courier[str]) -> None:
    flight = courier.open(route([0, 2]))
    flight.give(0, "nothing")
    flight.wait([0])
    flight.give(1, "something")
    flight.wait([0, 1])
    assert len(wire.sent) == 1


def test_a_failure_reaches_who_waits_and_who_waits_later(wire: FakeWire, courier: Courier[str]) -> None:
    wire.fail_on = 1
    flight = courier.open(route([2, 2, 2]))
    for tensor in range(3):
        flight.give(tensor, "x")
    with pytest.raises(Lost, match="OSError: the network is gone"):
        flight.wait([0, 1, 2])
    with pytest.raises(Lost):
        courier.open(route([2])).wait([0])


def test_closing_frees_who_waits(wire: FakeWire, courier: Courier[str]) -> None:
    flight = courier.open(route([2]))
    errors: list[Lost] = []

    def wait() -> None:
        with pytest.raises(Lost, match="detached") as caught:
            flight.wait([0])
        errors.append(caught.value)

    thread = threading.Thread(target=wait)
    thread.start()
    eventually(lambda: stands(thread))
    courier.close()
    thread.join(PATIENCE)
    assert errors
    courier.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "test.courier"]


def test_a_tensor_is_given_once(courier: Courier[str]) -> None:
    flight = courier.open(route([2, 2]))
    flight.give(1, "x")
    with pytest.raises(ValueError, match="given to this flight already"):
        flight.give(1, "x")


def test_a_watcher_is_told_of_every_exchange(wire: FakeWire, courier: Courier[str]) -> None:
    class Watcher:
        clock = staticmethod(time.monotonic)
        told: list[str] = []  # noqa: RUF012 - one watcher

        def add(self, name: str, began: float, seconds: float) -> None:
            assert began <= began + seconds <= self.clock()
            self.told.append(name)

    watcher = Watcher()
    courier.open(route([1])).give(0, "unseen")
    eventually(lambda: wire.whole == ["unseen"])
    courier.watch(watcher, ["fc.weight", "fc.bias"])
    flight = courier.open(route([3, 1]))
    flight.give(0, "a")
    flight.give(1, "b")
    flight.wait([0, 1])
    assert watcher.told == ["exchange fc.weight", "exchange fc.weight", "exchange fc.bias"]


def test_the_helper_rests_between_looks(wire: FakeWire, courier: Courier[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "REST", 0.05)
    wire.looks = None
    courier.open(route([2])).give(0, "x")
    assert seconds_of(10, wire) > 8 * 0.05


@pytest.mark.parametrize("waiting", [1, 2, 3])
def test_the_helper_looks_more_often_while_someone_waits(
    waiting: int, wire: FakeWire, courier: Courier[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several that wait must not wake each other: each would wake the helper, too, which then never rests."""
    monkeypatch.setattr(flights, "REST", 1000.0)
    monkeypatch.setattr(flights, "REST_AWAITED", 0.05)
    wire.looks = None
    flight = courier.open(route([2]))
    flight.give(0, "x")
    threads = [threading.Thread(target=flight.wait, args=([0],), daemon=True) for _ in range(waiting)]
    for thread in threads:
        thread.start()
    assert seconds_of(20, wire) > 16 * 0.05
    wire.ended.add(0)
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
