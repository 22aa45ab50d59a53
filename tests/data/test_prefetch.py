"""Reading ahead: order kept, errors delivered, threads ended, waiting measured."""

import gc
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from suite.data import Prefetcher
from tests.patience import eventually, stands


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "farandole-prefetch"]


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_everything_arrives_in_order(depth: int) -> None:
    reader = Prefetcher(range(50), depth=depth)
    assert list(reader) == list(range(50))
    assert reader.taken == 50


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_in_the_reader_is_raised_where_its_item_would_have_come(depth: int) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("disk gone")

    reader = Prefetcher(items(), depth=depth)
    assert next(reader) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(reader)
    with pytest.raises(StopIteration):
        next(reader)


def test_it_reads_ahead_by_depth_and_no_further() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    others = readers()
    with Prefetcher(items(), depth=3) as reader:
        next(reader)
        (thread,) = (thread for thread in readers() if thread not in others)
        # one taken, three queued, one in the thread's hand
        eventually(lambda: len(made) >= 5 and stands(thread))
        assert len(made) == 5


def test_closing_or_dropping_ends_the_thread() -> None:
    others = readers()
    closed = Prefetcher(iter(int, 1), depth=1)
    dropped = Prefetcher(iter(int, 1), depth=1)
    next(closed), next(dropped)
    own = [thread for thread in readers() if thread not in others]
    assert len(own) == 2
    closed.close()
    del dropped
    gc.collect()
    eventually(lambda: not any(thread.is_alive() for thread in own))


def test_a_slow_consumer_does_not_wait_and_a_slow_reader_is_seen() -> None:
    """Reading an item takes 20 ms on a clock that nothing else moves."""
    now, read, made = 0.0, 0, threading.Semaphore(0)

    def clock() -> float:
        nonlocal read
        read += 1
        return now

    def slow(begins: Callable[[int], object]) -> Iterator[int]:
        nonlocal now
        for number in range(10):
            eventually(partial(begins, number))
            now += 0.02
            made.release()
            yield number

    steps = threading.Semaphore(0)
    ahead = Prefetcher(slow(lambda number: steps.acquire(timeout=1)), depth=2, clock=clock)
    for _ in range(10):
        steps.release()
        made.acquire()  # the step: longer than reading
        next(ahead)
    assert (now, ahead.waited_seconds) == (pytest.approx(0.2), 0)

    read = 0
    behind = Prefetcher(slow(lambda number: read == 2 * number + 1), depth=2, clock=clock)  # when it is waited for
    assert list(behind) == list(range(10))
    assert behind.waited_seconds == pytest.approx(0.2)


def test_waiting_is_timed_with_the_clock_it_was_given() -> None:
    ticks = iter(range(100))
    reader = Prefetcher([7, 8], depth=0, clock=lambda: float(next(ticks)))
    assert list(reader) == [7, 8]
    assert reader.waited_seconds == 2.0


def test_a_negative_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="depth = -1"):
        Prefetcher([1], depth=-1)
