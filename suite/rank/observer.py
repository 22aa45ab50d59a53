"""A session that is watched: every call is timed and written down, straggler delays are put in, evaluations are kept.

It stands between `suite.training.loop.train` and the framework's own session and changes nothing that they do.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.mechanisms.telemetry import Telemetry
from suite.cluster.stragglers import Injector
from suite.data import Batch
from suite.rank.samples import RankWriter, Step
from suite.training.evaluation import Evaluation
from suite.training.session import Session

Clock = Callable[[], float]


class Stopwatch:
    """Time spent inside a part of a step, by whoever can tell (the optimizer's step in torch)."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.seconds += seconds

    def take(self) -> float:
        seconds, self.seconds = self.seconds, 0.0
        return seconds


class Keeper(Protocol):
    """Told of what a step has drawn before it is taken, and commits it afterwards."""

    def draws(self, step: int, samples: int) -> None: ...

    def commits(self, steps_taken: int) -> None: ...


class Observer:
    """`zero` is the moment that all ranks left together; `injector` slows this rank down; `compute` is
    what a step computes for, where that is known beforehand; `keeper` commits each step, as a part of it."""

    def __init__(
        self,
        session: Session,
        writer: RankWriter,
        *,
        telemetry: Callable[[], Telemetry | None],
        samples_at: Callable[[int], int],
        warmup: int,
        injector: Injector | None = None,
        compute: float | None = None,
        updating: Stopwatch | None = None,
        keeper: Keeper | None = None,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._session = session
        self._writer = writer
        self._telemetry = telemetry
        self._samples_at = samples_at
        self._warmup = warmup
        self._injector = injector
        self._compute = Compute(compute)
        self._updating = updating
        self._keeper = keeper
        self._clock = clock
        self._zero = clock()
        self._seconds = 0.0
        self._began = self._zero
        self._injected = 0.0
        self._slept: list[float] = []
        self._asked = 0
        self._stood = Telemetry()

    def start(self, zero: float | None = None) -> float:
        """Called when all ranks have met: times count from here, or from the `zero` of those who began before."""
        self._zero = self._clock() if zero is None else zero
        return self._zero

    def before_step(self, step: int) -> None:
        """The straggler's delay comes before the computation, so that nothing of the step leaves early."""
        self._began = self._clock()
        self._slept = []
        if self._injector is not None:
            self._slept = [self._injector.inject(self._compute.expected) for _ in range(self.steps_per_call)]
        self._injected = self._clock() - self._began if any(self._slept) else 0.0

    # What `train` sees of a session

    @property
    def framework(self) -> str:
        return self._session.framework

    @framework.setter
    def framework(self, name: str) -> None:
        raise AttributeError("the framework of a session does not change")

    @property
    def steps_taken(self) -> int:
        return self._session.steps_taken

    @steps_taken.setter
    def steps_taken(self, steps: int) -> None:
        self._session.steps_taken = steps

    @property
    def steps_per_call(self) -> int:
        return self._session.steps_per_call

    @steps_per_call.setter
    def steps_per_call(self, steps: int) -> None:
        self._session.steps_per_call = steps

    def steps(self, batches: Sequence[Batch], weights: Sequence[float] | None = None) -> list[float | None]:
        first = self._session.steps_taken
        if self._keeper is not None:
            self._keeper.draws(first, sum(len(labels) for _, labels in batches))
        losses = self._session.steps(batches, weights)
        if self._keeper is not None:
            self._keeper.commits(self._session.steps_taken)
        ended = self._clock()
        self._write(first, losses, ended)
        return losses

    def evaluate(self, batches: Iterable[Batch]) -> Evaluation:
        counted = self._telemetry()
        evaluation = self._session.evaluate(batches)
        self._newly_stood()  # before the parameters could be evaluated: no part of the next step
        self._writer.event(
            "evaluation",
            step=self.steps_taken,
            seen=self._samples_at(self.steps_taken),
            seconds=round(self._seconds, 6),
            wall_seconds=round(self._clock() - self._zero, 6),
            bytes_sent=0 if counted is None else counted.bytes_sent,
            samples=evaluation.samples,
            loss_sum=evaluation.loss_sum,
            top1_count=evaluation.top1_count,
            top5_count=evaluation.top5_count,
        )
        return evaluation

    def parameters(self) -> dict[str, NDArray[np.float32]]:
        return self._session.parameters()

    def save(self, path: Path) -> None:
        self._session.save(path)

    def load(self, path: Path) -> None:
        self._session.load(path)

    def _write(self, first: int, losses: Sequence[float | None], ended: float) -> None:
        """A call of several unrolled steps is shared out evenly: nobody can see inside it."""
        count = len(losses)
        seconds = (ended - self._began) / count
        self._seconds += ended - self._began
        given_up = self._stood.given_up
        blocked, vote = self._newly_stood()
        update = math.nan if self._updating is None else self._updating.take()
        injected = self._injected / count
        busy = seconds - injected - (0.0 if math.isnan(blocked) else blocked / count)
        if self._stood.given_up == given_up:  # else the computation was not whole
            self._compute.add(busy, exact=not math.isnan(blocked))
        compute = math.nan
        if not math.isnan(blocked):
            compute = max(0.0, busy - (0.0 if math.isnan(update) else update / count))
        asked = self._newly_asked(count)
        for index, loss in enumerate(losses):
            self._writer.step(
                Step(
                    number=first + index,
                    warmup=first + index < self._warmup,
                    started=self._began - self._zero + index * seconds,
                    seconds=seconds,
                    loss=math.nan if loss is None else loss,
                    compute=compute,
                    blocked=blocked / count,
                    vote=vote / count,
                    update=update / count,
                    injected=injected,
                    asked=asked[index],
                )
            )

    def _newly_stood(self) -> tuple[float, float]:
        """For others, and the part of it for votes; NaN: not known."""
        counted, before = self._telemetry(), self._stood
        if counted is None:
            return math.nan, math.nan
        self._stood = counted
        if counted.exposed_vote_seconds is None:
            vote = math.nan
        else:
            vote = counted.exposed_vote_seconds - (before.exposed_vote_seconds or 0.0)
        return max(0.0, counted.exposed_seconds - before.exposed_seconds), vote

    def _newly_asked(self, count: int) -> Sequence[float]:
        if self._injector is None:
            return (0.0,) * count
        asked = self._injector.injected().asked[self._asked :]
        self._asked += len(asked)
        return asked + (0.0,) * (count - len(asked))


class Compute:
    """What a step's own computation takes: given, where it is replayed; otherwise from the last few steps.

    Where a step cannot tell how long it stood still, its shortest recent duration is the best guess.
    """

    RECENT = 9

    def __init__(self, known: float | None) -> None:
        self._known = known
        self._recent: deque[float] = deque(maxlen=self.RECENT)
        self._exact = True

    def add(self, seconds: float, *, exact: bool) -> None:
        self._recent.append(seconds)
        self._exact = self._exact and exact

    @property
    def expected(self) -> float:
        """0 before the first step: a delay in multiples of the computation begins with the second."""
        if self._known is not None:
            return self._known
        if not self._recent:
            return 0.0
        return statistics.median(self._recent) if self._exact else min(self._recent)
