"""Events with a look at what comes: when things happen depends on no gradient, so it may be known before they do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from algorithms.virtual.events import Close, Computed, Event, Offer

Ask = Callable[[int, int], None]  # (worker, step)


def asking_ahead(events: Iterable[Event], workers: int, depth: int, ask: Ask) -> Iterator[Event]:
    """The events as they are; `ask` is called for each Computed as soon as no event before it changes its worker.

    At most `depth` events are looked at ahead of the one that is handed out.
    """
    source = iter(events)
    buffered: deque[Event] = deque()
    coming: list[deque[int | None]] = [deque() for _ in range(workers)]  # steps to compute; None: parameters change

    def fill() -> None:
        while len(buffered) < depth:
            event = next(source, None)
            if event is None:
                return
            buffered.append(event)
            if isinstance(event, Close | Offer):
                continue
            line = coming[event.worker]
            line.append(event.step if isinstance(event, Computed) else None)
            if len(line) == 1 and isinstance(event, Computed):
                ask(event.worker, event.step)

    fill()
    while buffered:
        event = buffered.popleft()
        yield event  # and it has been dealt with when the next one is asked for
        if not isinstance(event, Close | Offer):
            line = coming[event.worker]
            line.popleft()
            if line and line[0] is not None:
                ask(event.worker, line[0])
        fill()
