"""When gradients are ready and parameters used, measured in some steps; how fast the wire is; the route they make."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass

import horovod.torch as hvd
import torch

from algorithms.mechanisms import routes
from algorithms.mechanisms.plan import Route, Timing
from algorithms.mechanisms.routes import Freight, Tariff
from algorithms.torch import collectives
from algorithms.torch.arrays import shape_of
from algorithms.torch.exchange.wire import declared_bytes
from algorithms.wire import NONE, Format


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
        """Of what was kept since they were asked for: ready times, times of first use, length of a step.

        What was not seen is ready, and used, last.
        """
        laps, self._laps = self._laps, []
        total = statistics.median(lap.length for lap in laps)
        ready = [statistics.median(lap.ready.get(i, total) for lap in laps) for i in range(self._tensors)]
        used = [statistics.median(lap.used.get(i, total) for lap in laps) for i in range(self._tensors)]
        return [*ready, *used, total]


def planned_route(
    sizes: Sequence[int],
    kinds: Sequence[Hashable],
    freight: Freight,
    stopwatch: Stopwatch,
    *,
    by_need: bool,
    delay: int,
    name: str,
    among: hvd.ProcessSet,
    device: torch.device,
    clock: Callable[[], float],
) -> Route:
    """The route that all ranks agree upon, from the mean of what they measured. Collective; nothing may be in flight.

    `by_need`: layers are waited for one by one; otherwise for all at the end of backward, `delay` steps later. `device`:
    where gradients are, since NCCL carries those on a GPU and Gloo or MPI the others, each over a wire of its own.
    """

    def send(elements: int, exchanges: int) -> None:
        payload = [torch.zeros(elements, device=device) for _ in range(exchanges)]
        collectives.apart(payload, f"{name}.{elements}", among)

    mine = torch.tensor([*stopwatch.medians(), *astuple(routes.measured(send, clock))], dtype=torch.float64)
    *times, total, exchange, element, agreement = collectives.mean(mine, name, among).tolist()
    ready, used = times[: len(sizes)], times[len(sizes) :]
    deadlines = [total + use for use in used] if by_need else [total * (1 + delay)] * len(ready)
    deadlines[-1] = 0.0  # without the header nothing can be used
    timings = [Timing(ready=r, needed=n) for r, n in zip(ready, deadlines if by_need else ready, strict=True)]
    timings[-1] = Timing(ready=ready[-1], needed=0.0)
    tariff = Tariff(exchange, element, agreement)
    return routes.planned(sizes, timings, deadlines, kinds, tariff, freight, by_need=by_need)


def freight(form: Format, parameters: Sequence[torch.Tensor]) -> Freight:
    """What a route must know of these tensors in this format, the header behind them."""
    plain = declared_bytes(NONE, parameters)
    ratio = declared_bytes(form, parameters) / plain if plain else 1.0
    return Freight(ratio, tuple(form.units(shape_of(parameter)) for parameter in parameters))
