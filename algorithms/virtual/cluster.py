"""N workers in virtual time in one process: the oracle of the tests and the engine of simulations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from algorithms.contract import Algorithm, Exchange, Rounds
from algorithms.mechanisms.quorum.rules import Rules, rules
from algorithms.mechanisms.validation import one_of, whole
from algorithms.virtual.carriage import Carriage
from algorithms.virtual.clock import Clock, alone, round_robin
from algorithms.virtual.compute import Compute, Constant, Draw
from algorithms.virtual.events import Event, Recording
from algorithms.virtual.exchange import ExchangeRun, LayerClock
from algorithms.virtual.gradients import GradientFunction, Gradients, SamplesFunction, Source
from algorithms.virtual.network import Instant, Network
from algorithms.virtual.optimizers import Optimizer, Vector
from algorithms.virtual.rounds import RoundsRun
from algorithms.virtual.trace import Trace, Unwatched, Watch
from algorithms.wire import Asked, Format, fitting
from algorithms.wire.arrays import Arrays, NumPyArrays
from algorithms.wire.format import Shape, elements

ARRIVALS = ("time", "serial", "round_robin")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Workers, an algorithm, an optimizer and a gradient function f(worker, step, parameters).

    arrivals: "time", whoever is ready takes part in a round; "serial", a round takes one offer, like a server that
    applies what arrives one by one; "round_robin", the workers take turns whatever the time.
    samples(worker, step): the size of the worker's mini-batch, which its gradient is the mean of; zero is legal.
    layers: how many elements each layer has, front to back, or the rows and columns of a matrix; matters to Adasum, to
    formats of the wire and to the time of overlapped exchanges.
    wire: in which form numbers travel (`algorithms.wire`): "fp16", "powersgd:rank=2", PowerSGD(rank=2).
    arrays: what such a form does with vectors, where they are not NumPy's.
    """

    workers: int
    algorithm: Algorithm
    optimizer: Optimizer
    parameters: Vector
    gradient: GradientFunction | Source
    compute: Compute = field(default_factory=Constant)
    network: Network = field(default_factory=Instant)
    samples: SamplesFunction | None = None
    layers: Sequence[int | Shape] | None = None
    wire: Asked = "none"
    arrays: Arrays = field(default_factory=NumPyArrays)
    arrivals: str = "time"
    seed: int = 0

    def __post_init__(self) -> None:
        whole("workers", self.workers, 1)
        whole("seed", self.seed, 0)
        one_of("arrivals", self.arrivals, ARRIVALS)
        if not isinstance(self.algorithm, Exchange | Rounds):
            raise ValueError(f"algorithm={self.algorithm!r}: must be an Exchange or Rounds algorithm")
        self.algorithm.check(self.workers)
        x = self.parameters
        if x.ndim != 1 or "float" not in str(x.dtype) or not math.isfinite(float(abs(x).max()) if len(x) else 0):
            raise ValueError(f"parameters of shape {x.shape} and type {x.dtype}: must be one finite vector of floats")
        self._form()
        if sum(self._layers) != len(x) or min(chain(*self._shapes), default=0) < 0:
            raise ValueError(f"layers={self.layers!r}: must be sizes >= 0 that add up to {len(x)}")
        if isinstance(self.algorithm, Rounds):
            self._rules(self.algorithm)
            if self.arrivals == "round_robin":
                alone(self.algorithm, self.workers)

    @property
    def _shapes(self) -> tuple[Shape, ...]:
        if self.layers is None:
            return ((len(self.parameters),),)
        return tuple(layer if isinstance(layer, tuple) else (layer,) for layer in self.layers)

    @property
    def _layers(self) -> tuple[int, ...]:
        return tuple(map(elements, self._shapes))

    def _form(self) -> Format:
        return fitting(self.wire, self.algorithm, self.workers)

    def _carriage(self) -> Carriage:
        return Carriage(self._form(), self.workers, self._shapes, self.arrays, mean=False)

    def _sent_bytes(self) -> int:
        return self._carriage().bytes(self.parameters.itemsize)

    def _draws(self) -> list[Draw]:
        seeds = np.random.SeedSequence(self.seed).spawn(self.workers)
        return [self.compute.draws(i, np.random.default_rng(seed)) for i, seed in enumerate(seeds)]

    def run(
        self,
        steps: int,
        *,
        record: int = 1,
        keep_workers: bool = False,
        keep_events: bool = False,
        replay: Recording | None = None,
        watch: Watch | None = None,
        resume: Mapping[str, Any] | None = None,
    ) -> Trace:
        """Every worker takes so many steps (`tagged` algorithms: so many rounds close).

        record: note the parameters at every so many steps or rounds; 0 notes the start and the end.
        keep_workers: note each worker's own too. keep_events: keep what `replay` can repeat bit for bit.
        watch: told what happens while it happens. resume: go on from the `state()` that a watched run had, with the same
        settings.
        """
        whole("steps", steps, 0)
        whole("record", record, 0)
        x = self.parameters * 1  # what the user does with them afterwards is no part of the run
        watch = watch or Unwatched()
        gradients = Gradients(self.gradient, self.samples)
        carriage = self._carriage()
        if isinstance(self.algorithm, Exchange):
            if replay is not None or keep_events:
                raise ValueError(
                    f"{self.algorithm.name} has no arrivals to keep or replay: all workers take part in all steps"
                )
            clock = LayerClock(self.algorithm, self._draws(), self._layers, carriage.bytes(x.itemsize), self.network)
            return ExchangeRun(self.algorithm, self.optimizer, x, self.workers, gradients, clock, carriage).run(
                steps, record, keep_workers, watch, resume
            )
        assert isinstance(self.algorithm, Rounds)
        if replay is not None and replay.workers != self.workers:
            raise ValueError(f"the recording has {replay.workers} workers, the cluster has {self.workers}")
        events = replay.events if replay is not None else self._events(self.algorithm, steps)
        run = RoundsRun(
            self.algorithm, self.optimizer, x, self.workers, gradients, self._layers, carriage, record, keep_workers
        )
        return run.run(events, keep_events=keep_events, watch=watch, resume=resume)

    def _rules(self, algorithm: Rounds) -> Rules:
        asked = rules(algorithm, self.workers)
        if self.arrivals == "serial":
            if asked.quorum > 1:
                raise ValueError(
                    f"arrivals='serial': {algorithm.name} needs {asked.quorum} offers to close a round, not 1"
                )
            return replace(asked, limit=1)
        return asked

    def _events(self, algorithm: Rounds, steps: int) -> Iterable[Event]:
        sent = algorithm.bytes_per_exchange(self.workers, self._sent_bytes())
        seconds = self.network.seconds(sent, self.workers)
        if self.arrivals == "round_robin":
            return round_robin(algorithm, self.workers, steps, self._draws(), seconds)
        asked = self._rules(algorithm)
        vote = 0.0 if asked.everyone else self.network.vote(self.workers)
        return Clock(algorithm, asked, self._draws(), steps, seconds + vote).events()
