"""Reading ahead: order kept, errors delivered, threads ended, waiting measured."""

import gc
import threading
import time
from collections.abc import Iterator

import pytest

from suite.data import Prefetcher


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "farandole-prefetch"]


def wait_for(condition: object, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False


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

    with Prefetcher(items(), depth=3) as reader:
        next(reader)
        # one taken, three queued, one in the thread's hand
        assert wait_for(lambda: len(made) == 5)
        time.sleep(0.05)
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
    assert wait_for(lambda: not any(thread.is_alive() for thread in own))


def test_a_slow_consumer_does_not_wait_and_a_slow_reader_is_seen() -> None:
    def slow(seconds: float) -> Iterator[int]:
        for number in range(10):
            time.sleep(seconds)
            yield number

    ahead = Prefetcher(slow(0.01), depth=2)
    next(ahead)
    first = ahead.waited_seconds
    for _ in ahead:
        time.sleep(0.05)  # the step: longer than reading
    assert ahead.waited_seconds - first < 0.5 * 9 * 0.01

    behind = Prefetcher(slow(0.02), depth=2)
    for _ in behind:
        pass
    assert behind.waited_seconds >= 0.9 * 10 * 0.02


def test_waiting_is_timed_with_the_clock_it_was_given() -> None:
    ticks = iter(range(100))
    reader = Prefetcher([7, 8], depth=0, clock=lambda: float(next(ticks)))
    assert list(reader) == [7, 8]
    assert reader.waited_seconds == 2.0


def test_a_negative_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="depth = -1"):
        Prefetcher([1], depth=-1)
