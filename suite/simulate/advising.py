"""Which algorithm, on which machines, and what would change the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

import algorithms
from algorithms.contract import Algorithm, Exchange
from suite.simulate import wires
from suite.simulate.machines import Machines
from suite.simulate.predicting import predict, simulate
from suite.simulate.prediction import Prediction
from suite.simulate.workload import Workload

MAP_STEPS = 60
ALIKE = 0.02  # as a share: closer predictions are not told apart, whatever their intervals say

# What every worker gets of these is what synchronous training gets: nobody has to ask whether they converge.
EXACT: tuple[Algorithm, ...] = (
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    algorithms.StockHorovod(),
    algorithms.LayerWise(),
)


def candidates(workers: int) -> tuple[Algorithm, ...]:
    """All that could run on so many workers, with options that are usual there."""
    few = max(1, workers // 16)
    found: list[Algorithm] = [
        *EXACT,
        algorithms.Delayed(steps=1),
        algorithms.BackupWorkers(spares=few) if workers > 1 else algorithms.BackupWorkers(spares=0),
        algorithms.SoftSync(gradients=max(1, workers // 2)),
        algorithms.Asynchronous(),
        algorithms.ElasticAveraging(period=10, moving_rate=0.9 if workers > 1 else 0.5),
        algorithms.LocalSGD(period=10),
        algorithms.SlowMo(),
        algorithms.DiLoCo(),
        algorithms.Adasum(),
    ]
    return tuple(one for one in found if _runs(one, workers))


def _runs(algorithm: Algorithm, workers: int) -> bool:
    try:
        algorithm.check(workers)
    except ValueError:
        return False
    return True


def is_exact(algorithm: Algorithm) -> bool:
    return isinstance(algorithm, Exchange) and algorithm.reduces and algorithm.delay == 0


def written(algorithm: Algorithm) -> str:
    """As one writes it: `LayerWise(order='forward')`."""
    return repr(algorithm)


def title(algorithm: Algorithm) -> str:
    """Short enough for a map."""
    if algorithm == algorithms.Synchronous(overlap=True):
        return "synchronous, overlapped"
    return algorithm.name.replace("_", " ")


@dataclass(frozen=True, eq=False)
class Ranked:
    algorithm: Algorithm
    prediction: Prediction

    @property
    def rate(self) -> float:
        return float(self.prediction.samples_per_second)


@dataclass(frozen=True)
class Change:
    """Where another algorithm would win."""

    what: str
    value: str
    winner: Algorithm
    gain: float  # over the one that wins here


@dataclass(frozen=True)
class Advice:
    workload: Workload
    machines: Machines
    wire: str
    ceiling: Prediction
    ranking: tuple[Ranked, ...]  # the fastest first

    @cached_property
    def best_exact(self) -> Ranked:
        return next(one for one in self.ranking if is_exact(one.algorithm))

    @property
    def best(self) -> Ranked:
        return self.ranking[0]

    def alike(self, one: Ranked, other: Ranked) -> bool:
        """Whether nobody should bet on which is faster."""
        first, second = one.prediction.samples_per_second, other.prediction.samples_per_second
        overlap = first.low <= second.high and second.low <= first.high
        return overlap or abs(one.rate / other.rate - 1) <= ALIKE


def advise(workload: Workload, machines: Machines, *, wire: str = "none", steps: int = 200) -> Advice:
    ranked = [
        Ranked(
            one, predict(workload, machines, one, wire=wires.where_it_fits(wire, one, machines.workers), steps=steps)
        )
        for one in candidates(machines.workers)
    ]
    ceiling = predict(workload, machines, algorithms.NoCommunication(), steps=steps)
    return Advice(workload, machines, wire, ceiling, tuple(sorted(ranked, key=lambda one: -one.rate)))


Vary = Callable[[Machines, float], Machines]


def _straggling(machines: Machines, mean: float) -> Machines:
    return replace(machines, stragglers=f"lognormal:sigma=1,mean={mean}x" if mean else None)


def _workers(machines: Machines, count: float) -> Machines:
    return replace(machines, workers=int(count), per_host=min(machines.per_host, int(count)))


AXES: dict[str, tuple[Vary, tuple[float, ...], Callable[[float], str]]] = {
    "rate": (
        lambda machines, value: replace(machines, gbit=value),
        (0.1, 0.3, 1, 2.5, 5, 10, 25, 40, 100, 200),
        lambda value: f"{value:g} Gbit/s",
    ),
    "latency": (
        lambda machines, value: replace(machines, latency_us=value),
        (1, 3, 10, 30, 100, 300, 1000, 3000),
        lambda value: f"{value:g} us a hop",
    ),
    "workers": (_workers, (2, 4, 8, 16, 32, 64, 128, 256), lambda value: f"{value:g} workers"),
    "stragglers": (
        _straggling,
        (0.0, 0.05, 0.1, 0.2, 0.5, 1.0),
        lambda value: f"delays of {value:g} x a step" if value else "no stragglers",
    ),
}
HERE: dict[str, Callable[[Machines], float]] = {
    "rate": lambda machines: machines.gbit,
    "latency": lambda machines: machines.latency_us,
    "workers": lambda machines: float(machines.workers),
    "stragglers": lambda machines: 0.0,
}


def winners(
    workload: Workload, machines: Machines, among: Sequence[Algorithm], wire: str
) -> tuple[tuple[Algorithm, ...], float]:
    """The fastest of these with all that cannot be told from it, and its samples per second."""
    rates = [_rate(workload, machines, one, wires.where_it_fits(wire, one, machines.workers)) for one in among]
    best = max(rates)
    order = sorted(range(len(among)), key=lambda number: -rates[number])
    return tuple(among[number] for number in order if rates[number] * (1 + ALIKE) >= best), best


def _rate(workload: Workload, machines: Machines, algorithm: Algorithm, wire: str) -> float:
    course = simulate(workload, machines, algorithm, wires.named(wire), MAP_STEPS, seed=0)
    return machines.workers * workload.batch * course.useful / float(np.mean(course.steps))


def changes(advice: Advice) -> list[Change]:
    """Along each axis, in both directions, the nearest place where another exact algorithm is clearly faster."""
    found: list[Change] = []
    best = advice.best_exact
    for name, (vary, values, said) in AXES.items():
        here = HERE[name](advice.machines)
        lower = sorted((value for value in values if value < here), reverse=True)
        higher = sorted(value for value in values if value > here)
        for direction in (lower, higher):
            change = _first(
                advice, best.algorithm, name, [(vary(advice.machines, one), said(one)) for one in direction]
            )
            found += [change] if change is not None else []
    return found


def _first(advice: Advice, best: Algorithm, name: str, places: Iterable[tuple[Machines, str]]) -> Change | None:
    for machines, said in places:
        others = [one for one in EXACT if one != best]
        (other, *_), rate = winners(advice.workload, machines, others, advice.wire)
        _, mine = winners(advice.workload, machines, [best], advice.wire)
        if rate > mine * (1 + ALIKE):
            return Change(name, said, other, rate / mine - 1)
    return None


@dataclass(frozen=True)
class Cell:
    alike: tuple[Algorithm, ...]  # the fastest, and all that cannot be told from it
    of_ceiling: float

    @property
    def winner(self) -> Algorithm:
        return self.alike[0]

    @property
    def clear(self) -> bool:
        return len(self.alike) == 1


@dataclass(frozen=True)
class Map:
    """Winners over two axes; rows from the top."""

    across: str
    columns: tuple[str, ...]
    down: str
    rows: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]


def chart(advice: Advice, across: str, down: str, among: Callable[[int], Sequence[Algorithm]]) -> Map:
    vary, columns, said = AXES[across]
    vary_down, rows, said_down = AXES[down]
    columns = tuple(value for value in columns if across != "rate" or value in (0.3, 1, 2.5, 10, 25, 40, 100))
    cells = tuple(
        tuple(_cell(advice, vary(vary_down(advice.machines, row), column), among) for column in columns) for row in rows
    )
    return Map(across, tuple(map(said, columns)), down, tuple(map(said_down, rows)), cells)


def _cell(advice: Advice, machines: Machines, among: Callable[[int], Sequence[Algorithm]]) -> Cell:
    alike, rate = winners(advice.workload, machines, among(machines.workers), advice.wire)
    return Cell(alike, rate / _rate(advice.workload, machines, algorithms.NoCommunication(), "none"))


def inexact_too(workers: int) -> tuple[Algorithm, ...]:
    """Of every kind the one that is usual: what each costs in samples is another question."""
    found = (
        *EXACT[1:],
        algorithms.Delayed(steps=1),
        algorithms.BackupWorkers(spares=min(max(1, workers // 16), workers - 1)),
        algorithms.LocalSGD(period=10),
    )
    return tuple(one for one in found if _runs(one, workers))
