"""When gradients are ready and parameters used, measured in the first steps; how fast the wire is; the route they make."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import horovod.torch as hvd
import torch

from algorithms.mechanisms.flights import Route
from algorithms.mechanisms.plan import Piece, Timing, cut, order
from algorithms.torch import collectives

STEPS = range(1, 4)  # that are measured: the first one allocates and compiles
PIECE = 1 << 18  # elements: 1 MB of float32, the best of 0.25, 1, 2 and 4 MB on two hosts at 400 Mbit/s
WINDOW = 3 * PIECE  # one piece on the wire, one agreed upon, one being agreed upon


@dataclass(frozen=True)
class Lap:
    """One step: when each gradient was ready and each parameter first used, and how long it took."""

    ready: dict[int, float]
    used: dict[int, float]
    length: float


class Stopwatch:
    """Times within a step, on a clock that stands still while the training thread waits for others."""

    def __init__(self, tensors: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tensors = tensors
        self.waited = 0.0
        self._laps: list[Lap] = []
        self._start()

    def _start(self) -> None:
        self._begun = self._clock() - self.waited
        self._ready: dict[int, float] = {}
        self._used: dict[int, float] = {}

    def _now(self) -> float:
        return self._clock() - self.waited - self._begun

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time that the network, not the computation, takes."""
        start = self._clock()
        try:
            yield
        finally:
            self.waited += self._clock() - start

    def ready(self, tensor: int) -> None:
        self._ready[tensor] = self._now()

    def used(self, tensors: Sequence[int]) -> None:
        now = self._now()
        for tensor in tensors:
            self._used.setdefault(tensor, now)

    def lap(self, keep: bool) -> None:
        """The step has ended."""
        if keep:
            self._laps.append(Lap(self._ready, self._used, self._now()))
        self._start()

    def medians(self) -> list[float]:
        """Ready times, times of first use, length of a step. What was not seen is ready, and used, last."""
        total = statistics.median(lap.length for lap in self._laps)
        ready = [statistics.median(lap.ready.get(i, total) for lap in self._laps) for i in range(self._tensors)]
        used = [statistics.median(lap.used.get(i, total) for lap in self._laps) for i in range(self._tensors)]
        return [*ready, *used, total]


def seconds_per_element(name: str, clock: Callable[[], float], rounds: int = 4) -> float:
    """What an element costs on a wire that is otherwise idle."""
    pieces = [torch.zeros(PIECE) for _ in range(rounds)]
    collectives.total(torch.zeros(1), f"{name}.together")
    start = clock()
    for handle in [hvd.allreduce_async_(p, name=f"{name}.{i}", op=hvd.Sum) for i, p in enumerate(pieces)]:
        collectives.wait(handle)
    return (clock() - start) / (rounds * PIECE)


def first_route(sizes: Sequence[int]) -> Route:
    """Before anything is known: the last parameters first, since backward mostly goes that way; the header last."""
    *parameters, header = cut_all(sizes)
    backward = sorted(parameters, key=lambda piece: (-piece.tensor, piece.start))
    return Route((*backward, header), WINDOW)


def whole_route(sizes: Sequence[int]) -> Route:
    """Everything at once, when backward has ended: Horovod fuses what it likes."""
    pieces = [Piece(tensor, 0, size) for tensor, size in enumerate(sizes) if size]
    return Route(tuple(pieces), sum(sizes))


def planned_route(
    sizes: Sequence[int], stopwatch: Stopwatch, *, by_need: bool, name: str, clock: Callable[[], float]
) -> Route:
    """The route that all ranks agree upon, from the mean of what they measured. Collective; nothing may be in flight."""
    mine = torch.tensor([*stopwatch.medians(), seconds_per_element(name, clock)], dtype=torch.float64)
    *times, total, cost = collectives.mean(mine, name).tolist()
    ready, used = times[: len(sizes) - 1], times[len(sizes) - 1 :]
    needed = [total + use for use in used] if by_need else ready
    timings = [Timing(ready=r, needed=n) for r, n in zip(ready, needed, strict=True)]
    header = Timing(ready=total, needed=0.0)
    return Route(order(cut_all(sizes), [*timings, header], cost), WINDOW)


def cut_all(sizes: Sequence[int]) -> list[Piece]:
    return cut(sizes, PIECE)
