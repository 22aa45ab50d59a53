"""`Exchange` algorithms in virtual time: the mathematics of a step, and beside it the clock of its layers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.contract import Exchange, Finish, Moment
from algorithms.life import Pipeline
from algorithms.mechanisms.plan import Piece, Timing, cut, landings, order
from algorithms.mechanisms.weighing import about
from algorithms.virtual.carriage import Carriage
from algorithms.virtual.compute import Draw
from algorithms.virtual.gradients import Gradients, Share
from algorithms.virtual.network import Network
from algorithms.virtual.optimizers import Optimizer, Slots, Vector
from algorithms.virtual.trace import Trace, Watch
from algorithms.wire import NONE

FORWARD = 1 / 3  # of a step's compute time; backward costs about twice the forward pass


class LayerClock:
    """When steps end: each worker computes layer by layer, one wire carries the layers' gradients one after the other."""

    def __init__(
        self, algorithm: Exchange, draws: Sequence[Draw], layers: Sequence[int], sent_bytes: int, network: Network
    ) -> None:
        self.algorithm, self.draws = algorithm, draws
        total = sum(layers)
        sent = algorithm.bytes_per_exchange(len(draws), sent_bytes)
        self.per_element = network.seconds(sent, len(draws)) / total if total and algorithm.reduces else 0.0
        self.layers = list(layers)
        self.free = np.zeros(len(draws))  # when each worker may begin its next step
        self.ended = np.zeros(len(draws))  # when each was through with backward
        self.usable = [0.0] * len(layers)  # when each layer's parameters are up to date
        self.wire = 0.0
        self.due: deque[float] = deque()  # landings of the exchanges under way
        self.plan: tuple[Piece, ...] | None = None

    def step(self) -> float:
        """One step of every worker; the time when the slowest is through."""
        spent = [draw() for draw in self.draws]
        share = np.array([one.compute for one in spent]) / len(self.layers)
        time = self.free + np.array([one.injected for one in spent])
        for usable in self.usable:
            time = np.maximum(time, usable) + FORWARD * share
        ready = [0.0] * len(self.layers)
        for layer in reversed(range(len(self.layers))):
            time = time + (1 - FORWARD) * share
            ready[layer] = float(time.max())
        self.ended = time
        if not self.algorithm.reduces:
            self.free = time
            return float(time.max())
        self._exchange(time, ready)
        return float(self.free.max())

    def _exchange(self, time: NDArray[np.float64], ready: list[float]) -> None:
        if self.algorithm.start is Moment.BACKWARD_ENDED:
            ready = [float(time.max())] * len(ready)
        landed = self._send(ready)
        if self.algorithm.finish is Finish.NEXT_USE:
            self.free, self.usable = time, landed
            return
        self.due.append(max(landed))
        self.free = np.maximum(time, self.due.popleft()) if len(self.due) > self.algorithm.delay else time

    def _send(self, ready: list[float]) -> list[float]:
        begun = min(ready)
        crossing = self.algorithm.finish is Finish.NEXT_USE
        if self.plan is None:
            pieces = cut(self.layers, max(1, sum(self.layers) // (4 * len(self.layers))))
            needs = [Timing(at - begun, layer if crossing else at) for layer, at in enumerate(ready)]
            self.plan = order(pieces, needs, self.per_element)
        offset = min(begun, self.wire)
        timings = [Timing(max(at, self.wire) - offset, 0) for at in ready]
        landed = [at + offset for at in landings(self.plan, timings, self.per_element)]
        self.wire = max(landed)
        return landed


class ExchangeRun:
    """Replicas are equal in an exchange that reduces, so one stands for all; without, each worker has its own."""

    def __init__(
        self,
        algorithm: Exchange,
        optimizer: Optimizer,
        x: Vector,
        workers: int,
        gradients: Gradients,
        clock: LayerClock,
        carriage: Carriage,
    ) -> None:
        self.algorithm, self.optimizer, self.gradients, self.clock = algorithm, optimizer, gradients, clock
        self.carriage = carriage
        self.workers = workers
        replicas = 1 if algorithm.reduces else workers
        self.x = [x] * replicas
        self.slots: list[Slots] = [optimizer.begin(x) for _ in range(replicas)]
        self.flying: Pipeline[tuple[Vector | None, Vector]] = Pipeline(algorithm)  # and where they were taken
        self.done = 0  # steps
        self.trace = Trace(used=[0] * workers, dropped=[0] * workers)

    def run(
        self, steps: int, record: int, keep_workers: bool, watch: Watch, resume: Mapping[str, Any] | None = None
    ) -> Trace:
        """So many steps, then what is still in flight."""
        now, done = 0.0, 0
        if resume is None:
            self._note(now, keep_workers)
        else:
            done, now = self._restore(resume)
        for step in range(done, steps):
            now = self.clock.step()
            for worker in range(self.workers):
                watch.computed(worker, step, float(self.clock.ended[worker]))
            if self.algorithm.reduces:
                self._exchange(step)
            else:
                self._alone(step)
            self.done = step + 1
            over = watch.settled(self, now)
            if (record and (step + 1) % record == 0) or step + 1 == steps or over:
                self._note(now, keep_workers)
            if over:
                break
        for landed, applied in self.flying.drains():
            now = max(now, self.clock.due.popleft() if self.clock.due else now)
            if applied:
                self._apply(*landed)
                self._note(now, keep_workers)
        self.trace.workers = [self.x[worker % len(self.x)] for worker in range(self.workers)]
        return self.trace

    def evaluated(self) -> Sequence[Vector]:
        return self.x

    def state(self) -> Mapping[str, Any]:
        return {
            "done": self.done,
            "x": list(self.x),
            "slots": list(self.slots),
            "flying": tuple(self.flying),
            "memories": dict(self.carriage.memories),
            "trace": self.trace,
        }

    def _restore(self, state: Mapping[str, Any]) -> tuple[int, float]:
        """The clock goes the same way again; no gradient does."""
        self.x, self.slots = list(state["x"]), list(state["slots"])
        self.flying.restart(state["flying"])
        self.carriage.memories = dict(state["memories"])
        self.trace, self.done = state["trace"], state["done"]
        now = 0.0
        for _ in range(self.done):
            now = self.clock.step()
        return self.done, now

    def _alone(self, step: int) -> None:
        at_work = [worker for worker in range(self.workers) if self.gradients.weight(worker, step)]
        if self.gradients.source is not None:
            for worker in at_work:
                self.gradients.source.ahead(worker, step, self.x[worker])
        for worker in at_work:
            gradient = self.gradients(worker, step, self.x[worker])
            self.x[worker], self.slots[worker] = self.optimizer.step(self.x[worker], gradient, self.slots[worker])
            self.trace.used[worker] += 1
            self.trace.staleness.append(0)
            self.trace.whose.append(worker)

    def _exchange(self, step: int) -> None:
        due = self.flying.departs((self._average(step), self.x[0]))
        self.trace.bytes_sent += self.algorithm.bytes_per_exchange(
            self.workers, self.carriage.bytes(self.x[0].itemsize)
        )
        if due is not None:
            self._apply(*due)

    def _average(self, step: int) -> Vector | None:
        """The mean over all samples of the step; None where there are none."""
        if self.carriage.form != NONE:
            return self._coded_average(step)
        weights = [(worker, self.gradients.weight(worker, step)) for worker in range(self.workers)]
        shares = [Share(worker, step, weight) for worker, weight in weights if weight]
        for share in shares:
            self.trace.used[share.worker] += 1
            self.trace.staleness.append(self.algorithm.delay)
            self.trace.whose.append(share.worker)
        if not shares:
            return None
        return self.gradients.total(shares, self.x[0]) / sum(weight for _, weight in weights)

    def _coded_average(self, step: int) -> Vector | None:
        """The same in a format. What a worker without samples remembers of other steps travels all the same."""
        counts = [self.gradients.weight(worker, step) for worker in range(self.workers)]
        # So that samples make nothing larger than a format takes; what is remembered is counted alike for good.
        alike = self.gradients.samples is None or self.carriage.form.feeds_back
        unit = 1.0 if alike else about(sum(counts) / self.workers)
        weights = [count / unit for count in counts]
        parts: list[Vector] = []
        for worker, weight in enumerate(weights):
            parts.append(self.gradients(worker, step, self.x[0]) * weight if weight else self.x[0] * 0)
            if weight:
                self.trace.used[worker] += 1
                self.trace.staleness.append(self.algorithm.delay)
                self.trace.whose.append(worker)
        return self.carriage(parts) / sum(weights) if any(weights) else None

    def _apply(self, average: Vector | None, then: Vector) -> None:
        if average is not None:
            gradient = self.algorithm.correct(average, self.x[0], then)
            self.x[0], self.slots[0] = self.optimizer.step(self.x[0], gradient, self.slots[0])
            self.trace.rounds += 1

    def _note(self, now: float, keep_workers: bool) -> None:
        self.trace.parameters.append(self.x[0])
        self.trace.averages.append(self.x[0])
        self.trace.seconds.append(now)
        if keep_workers:
            self.trace.history.append([self.x[worker % len(self.x)] for worker in range(self.workers)])
