"""Reads ahead in a background thread, so that the step finds its batch ready."""

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Clock = Callable[[], float]

# How often a blocked producer looks whether it is still wanted. Only delays the end of an abandoned reader.
_LOOK_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _End:
    pass


class Prefetcher(Iterator[Item], Generic[Item]):
    """Iterates over `items` produced `depth` ahead by one thread; an error there is raised here, in its place.

    `waited_seconds` is how long the consumer stood in `next`: what a step really waited for its data. `depth=0` reads in
    the caller's thread, so everything is waiting. Close it (or drop it) to stop the thread.
    """

    def __init__(self, items: Iterable[Item], *, depth: int = 2, clock: Clock = time.perf_counter) -> None:
        if depth < 0:
            raise ValueError(f"depth = {depth}: 0 (no thread) or more")
        self.waited_seconds = 0.0
        self.taken = 0
        self._clock = clock
        self._stop = threading.Event()
        self._iterator: Iterator[Item] | None = iter(items) if depth == 0 else None
        self._queue: queue.Queue[Item | _Failed | _End] = queue.Queue(max(depth, 1))
        if depth > 0:
            # The thread must not hold `self`: a reader that nobody iterates any more is then collected and stopped.
            threading.Thread(
                target=_produce, args=(items, self._queue, self._stop), name="farandole-prefetch", daemon=True
            ).start()
        self._finalizer = weakref.finalize(self, self._stop.set)

    def __next__(self) -> Item:
        if self._stop.is_set():
            raise StopIteration
        began = self._clock()
        if self._iterator is not None:
            item: Item | _Failed | _End = next(self._iterator)
        else:
            item = self._queue.get()
        self.waited_seconds += self._clock() - began
        if isinstance(item, _End):
            self.close()
            raise StopIteration
        if isinstance(item, _Failed):
            self.close()
            raise item.error
        self.taken += 1
        return item

    def close(self) -> None:
        self._stop.set()

    def __enter__(self) -> "Prefetcher[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _produce(items: Iterable[Item], out: "queue.Queue[Item | _Failed | _End]", stop: threading.Event) -> None:
    last: _Failed | _End = _End()
    try:
        for item in items:
            if not _put(out, item, stop):
                return
    except BaseException as error:  # the consumer's to handle, whatever it is; nobody sees it in this thread
        last = _Failed(error)
    _put(out, last, stop)


def _put(out: "queue.Queue[Item | _Failed | _End]", item: Item | _Failed | _End, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            out.put(item, timeout=_LOOK_EVERY_SECONDS)
        except queue.Full:
            continue
        return True
    return False
