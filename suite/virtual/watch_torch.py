"""Whoever sees a virtual run go by: writes its steps down, evaluates, keeps checkpoints, ends it."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from algorithms.contract import Rounds
from algorithms.virtual.gradients import Ended
from algorithms.virtual.trace import Run
from suite.rank.environment import host_of_this_rank
from suite.rank.job import RankJob
from suite.record.rank import Startup
from suite.training.divergence import DivergenceWatch
from suite.training.evaluation import Evaluation, due, merged
from suite.training.targets import Point, all_reached
from suite.virtual import checkpoint_torch, ledger
from suite.virtual.prepared_torch import Prepared
from suite.virtual.times import StepTimes

CHECKPOINT_SECONDS = 30.0
KEPT = ("ledger", "watches", "now", "computed_steps", "seen", "looked", "points", "loss")


@dataclass(frozen=True)
class Progress:
    """How far a run is: gradients computed, of how many; virtual time; the last loss."""

    done: int
    total: int
    seconds: float
    loss: float


@dataclass
class Watch:
    """Sees the run go by: writes steps down, evaluates, ends it."""

    prepared: Prepared
    folder: Path
    shown: Callable[[Progress], None]
    checkpoint: Path | None = None
    clock: Callable[[], float] = time.monotonic
    run: Run | None = None
    now: float = 0.0
    computed_steps: int = 0
    seen: int = 0
    looked: int = 0  # samples seen at the last evaluation
    points: list[Point] = field(default_factory=list)
    verdict: tuple[int, int, str] | None = None  # step, worker, reason
    loss: float = float("nan")
    kept: float = 0.0  # when the last checkpoint was

    def __post_init__(self) -> None:
        self.specification = self.prepared.specification
        self.times = StepTimes.of(self.specification)
        self.ledger = ledger.Ledger(self.specification.workers, self.specification.warmup)
        self.watches = [DivergenceWatch() for _ in range(self.specification.workers)]
        steps = self.specification.warmup + self.specification.steps
        self.total = steps * self.specification.workers
        self.numbered_by_rounds = isinstance(self.prepared.algorithm, Rounds) and self.prepared.algorithm.tagged

    def resume(self) -> Mapping[str, Any] | None:
        """The state of the run at its last checkpoint, this watch being as it was then."""
        self.kept = self.clock()
        if self.checkpoint is None:
            return None
        held = checkpoint_torch.load(self.checkpoint, self.specification.identity, self.prepared.net.device)
        if held is None:
            return None
        self.__dict__.update(held["watch"])
        self.ledger.flushed = [0] * self.specification.workers
        self.prepared.batches.begun = dict(held["begun"])
        self.prepared.net.statistics = dict(held["statistics"])
        self.times.taken = dict(held["taken"])
        state: Mapping[str, Any] = held["state"]
        return state

    def keep(self, run: Run) -> None:
        """A checkpoint, where one is due."""
        if self.checkpoint is None or self.clock() - self.kept < CHECKPOINT_SECONDS:
            return
        held = {
            "watch": {name: self.__dict__[name] for name in KEPT},
            "begun": self.prepared.batches.begun,
            "statistics": self.prepared.net.statistics,
            "taken": self.times.taken,
            "state": dict(run.state()),
        }
        checkpoint_torch.save(self.checkpoint, self.specification.identity, held)
        self.kept = self.clock()

    def lost(self, worker: int, step: int, loss: float) -> None:
        self.loss = loss
        self.ledger.lost(worker, step, loss)
        found = self.watches[worker].look(step, loss)
        if found is not None:
            self.verdict = (found.step, worker, found.reason)
            raise Ended(str(found))

    def computed(self, worker: int, step: int, time: float) -> None:
        self.now = max(self.now, time)
        batches = self.prepared.batches
        if self.numbered_by_rounds:
            batches.begin(worker, step)
        self.ledger.computed(worker, batches.number(worker, step), time, self.times.take(worker))
        self.computed_steps += 1
        self.seen += batches.count(worker, step)
        self.shown(Progress(self.computed_steps, self.total, self.now, self.loss))

    def gave_up(self, worker: int, time: float) -> None:
        self.times.take(worker)
        self.prepared.batches.begin(worker, -1)
        self.ledger.ended(worker, time)

    def settled(self, run: Run, time: float) -> bool:
        self.run, self.now = run, max(self.now, time)
        every = self.specification.evaluate_every
        if every and due(self.looked, self.seen, every):
            self._evaluate(run)
        self.keep(run)
        reached = all_reached(self.points, self.specification.targets) and self.specification.stop_at_target
        return reached or (self.prepared.free and self.computed_steps >= self.total)

    def begin(self, job: RankJob) -> None:
        memory = 4 * len(self.prepared.net.initial)
        startup = Startup(
            launch=max(0.0, self.prepared.began - job.launched_at),
            imports=0.0,
            horovod=0.0,
            build=time.time() - self.prepared.began,
            data=0.0,
        )
        for worker in range(self.specification.workers):
            host = socket.gethostname()
            self.ledger.event(worker, "begin", host=host, process=os.getpid(), time=time.time())
            self.ledger.event(
                worker,
                "ready",
                startup=startup.model_dump(),
                parameter_bytes=memory,
                memory_start_bytes=None,
                fingerprint=host_of_this_rank(None).model_dump() if worker == 0 else None,
            )
            self.ledger.event(worker, "start", time=time.time())

    def diverged(self, reason: str | None = None) -> None:
        step, worker, why = self.verdict or (max(held.steps for held in self.ledger.of) - 1, 0, reason or "")
        self._close()
        self.ledger.event(worker, "diverged", step=step, message=reason or why)
        self.ledger.flush(self.folder)

    def end(self) -> None:
        run = self.run
        assert run is not None
        if self.specification.evaluate_every and self.looked != self.seen:
            self._evaluate(run)
        self._close()
        algorithm, workers = self.prepared.algorithm, self.specification.workers
        declared = (algorithm.memory(), algorithm.bytes_per_exchange(workers, 4 * len(self.prepared.net.initial)))
        vectors = run.evaluated()
        digests = [self._digest(vector) for vector in vectors]
        for worker, staleness in enumerate(ledger.ages(run.trace, workers)):
            counted = ledger.telemetry(run.trace, worker, staleness, self.ledger.of[worker].steps, declared)
            self.ledger.event(
                worker,
                "end",
                verdict="finished",
                telemetry=counted.model_dump(),
                digest=digests[worker % len(digests)],
                own_digest=None,
                memory_peak_bytes=None,
                memory_steady_bytes=None,
                cpu_seconds=None,
                interface_bytes=None,
                data_wait_seconds=None,
            )
        self.ledger.flush(self.folder)

    def _close(self) -> None:
        for worker in range(self.specification.workers):
            self.ledger.ended(worker, self.now)

    def _evaluate(self, run: Run) -> None:
        self.looked = self.seen
        parts = self._counts(run.evaluated())
        self.ledger.evaluated(parts, self.seen, self.now, run.trace.bytes_sent)
        whole = merged(parts)
        steps = round(sum(held.steps for held in self.ledger.of) / len(self.ledger.of))
        self.points.append(Point(step=steps, samples=self.seen, seconds=self.now, accuracy=whole.top1))

    def _counts(self, vectors: Sequence[Tensor]) -> list[Evaluation]:
        """The centre looks at all held-out samples; where each worker is looked at, each at its own part."""
        test, net = self.prepared.test, self.prepared.net
        assert test is not None
        if len(vectors) == 1 and net.joins:
            return [net.evaluate(vectors[0], test.batches())]
        workers = self.specification.workers
        part = test.part_of
        return [
            net.evaluate(vectors[worker % len(vectors)], part(worker, workers), worker) for worker in range(workers)
        ]

    def _digest(self, vector: Tensor) -> str:
        """As `suite.rank.accounts` has it, so that equal parameters have equal digests wherever they come from."""
        found = hashlib.sha256()
        for name, value in sorted(self.prepared.net.named(vector).items()):
            found.update(name.encode())
            found.update(value.tobytes())
        return found.hexdigest()
