"""The drawings of a report: most of the time it takes, and none of them needs another."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from suite.report.charts.drawing import Drawing, draw
from suite.report.content import Figure

FEWEST_FOR_A_PROCESS = 6  # its start takes as long as drawing three


def drawings(
    figures: Sequence[Figure], processes: int = 1, told: Callable[[int, int], None] = lambda done, of: None
) -> dict[str, Drawing]:
    """By the figures' names. More than one process needs a `__main__` that may be imported, as every command's is."""
    processes = min(processes, len(figures) // FEWEST_FOR_A_PROCESS)
    found = {}
    for figure, drawing in zip(figures, _drawn(figures, processes), strict=True):
        found[figure.name] = drawing
        told(len(found), len(figures))
    return found


def _drawn(figures: Sequence[Figure], processes: int) -> Iterator[Drawing]:
    if processes < 2:
        yield from map(_draw, figures)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_leave_interrupts) as pool:
        try:
            yield from pool.map(_draw, figures)
        finally:
            pool.shutdown(cancel_futures=True)  # interrupted, nobody waits for what has not begun


def _draw(figure: Figure) -> Drawing:
    return draw(figure.name, figure.chart, figure.alt)


def _leave_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked tells of them
