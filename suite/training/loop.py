"""A whole training run of one rank, for either framework and any number of ranks.

    plan = Plan(steps=500, evaluate_every=5000, targets=(0.9, 0.98), stop_at_targets=True)
    result = train(session, source, plan, test=test_source, exchange=hvd.allgather_object)

Ranks must stop together, because one that leaves early hangs the rest: so whatever ends a run is decided on what all ranks
told each other (`exchange`), at steps that follow from the plan alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.data import Batch, Prefetcher, Source
from suite.data.prefetch import Clock
from suite.training.divergence import Diverged, DivergenceWatch, earliest
from suite.training.evaluation import Evaluation, due, merged
from suite.training.session import Session
from suite.training.targets import Outcome, Point, all_reached, check_targets, outcomes

Exchange = Callable[[Any], Sequence[Any]]
"""Everybody's object, in rank order; every rank calls it at the same places."""

FINISHED, TARGETS_REACHED = "finished", "reached every target"


@dataclass(frozen=True, kw_only=True)
class Plan:
    steps: int
    """Updates in all, those before a resumed checkpoint included."""
    warm_up: int = 0
    """The first so many updates of this process are marked: they trace, allocate and fill caches."""
    evaluate_every: int | None = None
    """Samples, of all ranks together, between evaluations; None: only at the end (if there is a test source)."""
    targets: tuple[float, ...] = ()
    stop_at_targets: bool = False
    look_every: int = 50
    """Updates between the moments at which ranks tell each other whether they diverged."""
    checkpoint: Path | None = None
    """Each rank's own: ranks of some algorithms differ."""
    checkpoint_every: int | None = None
    """Updates between checkpoints; None: only at the end (if there is a `checkpoint`)."""

    def __post_init__(self) -> None:
        check_targets(self.targets)
        for name, value, least in (
            ("steps", self.steps, 1),
            ("warm_up", self.warm_up, 0),
            ("evaluate_every", self.evaluate_every, 1),
            ("look_every", self.look_every, 1),
            ("checkpoint_every", self.checkpoint_every, 1),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name} = {value}: at least {least}")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One timed call of `Session.steps`: one update, or several unrolled ones."""

    first_step: int
    steps: int
    seconds: float
    waited_seconds: float
    """Spent before the call, waiting for data."""
    losses: tuple[float | None, ...]
    warm_up: bool


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    point: Point
    evaluation: Evaluation
    """Of all ranks together."""


@dataclass(frozen=True, kw_only=True)
class Result:
    verdict: str
    """FINISHED, TARGETS_REACHED, or "diverged at step n: why"."""
    diverged: Diverged | None
    calls: tuple[Call, ...]
    evaluations: tuple[Evaluated, ...]
    outcomes: tuple[Outcome, ...]
    skipped: int
    """Pictures that could not be read and were left out, as the user asked."""


def train(
    session: Session,
    source: Source,
    plan: Plan,
    *,
    test: Source | None = None,
    exchange: Exchange = lambda mine: [mine],
    watch: DivergenceWatch | None = None,
    clock: Clock = time.perf_counter,
    before_step: Callable[[int], None] = lambda step: None,
) -> Result:
    """From `session.steps_taken` (0, or a loaded checkpoint's) to the end of the plan.

    Training time is the sum of the calls' times: neither evaluations nor checkpoints nor waiting for data are in it.
    `before_step` runs before every call and inside its time: where a straggler is injected.
    """
    if plan.targets and test is None:
        raise ValueError("targets without a test source: nothing could reach them")
    run = _Run(session, source, test, plan, exchange, watch or DivergenceWatch(), clock, before_step)
    with source.stream(session.steps_taken) as batches:
        while not run.over:
            run.call(batches)
            run.look()
            run.keep()
    return run.result()


class _Run:
    def __init__(
        self,
        session: Session,
        source: Source,
        test: Source | None,
        plan: Plan,
        exchange: Exchange,
        watch: DivergenceWatch,
        clock: Clock,
        before_step: Callable[[int], None],
    ) -> None:
        self._session, self._source, self._test, self._plan = session, source, test, plan
        self._exchange, self._watch, self._clock, self._before_step = exchange, watch, clock, before_step
        self._begun = self._before = session.steps_taken
        self._calls: list[Call] = []
        self._evaluated: list[Evaluated] = []
        self._diverged: Diverged | None = None
        self._targets_reached = False

    @property
    def over(self) -> bool:
        return self._diverged is not None or self._targets_reached or self._session.steps_taken >= self._plan.steps

    def call(self, batches: Prefetcher[Batch]) -> None:
        """The next update, or the next few unrolled ones."""
        first = self._before = self._session.steps_taken
        wanted = min(self._session.steps_per_call, self._plan.steps - first)
        waited = batches.waited_seconds
        taken = [next(batches) for _ in range(wanted)]
        waited = batches.waited_seconds - waited
        weights = [self._source.weight(number) for number in range(first, first + wanted)]
        began = self._clock()
        self._before_step(first)
        losses = self._session.steps(taken, weights)
        seconds = self._clock() - began
        warm_up = first - self._begun < self._plan.warm_up
        self._calls.append(
            Call(
                first_step=first,
                steps=wanted,
                seconds=seconds,
                waited_seconds=waited,
                losses=tuple(losses),
                warm_up=warm_up,
            )
        )
        for number, loss in enumerate(losses, start=first):
            if loss is not None:
                self._watch.look(number, loss)

    def look(self) -> None:
        """Evaluates where it is due, and learns of every rank's divergence there and every `look_every` updates."""
        now = self._session.steps_taken
        if self._test is not None and (self.over or self._evaluation_due(now)):
            self._evaluate(now, self._test)
        elif self.over or due(self._before, now, self._plan.look_every):
            self._diverged = earliest(self._exchange(self._watch.verdict))

    def keep(self) -> None:
        """Saves a checkpoint where one is due; never of a diverged run, which would overwrite the last good one."""
        path, every = self._plan.checkpoint, self._plan.checkpoint_every
        if path is None or self._diverged is not None:
            return
        if self.over or (every is not None and due(self._before, self._session.steps_taken, every)):
            self._session.save(path)

    def result(self) -> Result:
        verdict = TARGETS_REACHED if self._targets_reached else FINISHED
        return Result(
            verdict=verdict if self._diverged is None else str(self._diverged),
            diverged=self._diverged,
            calls=tuple(self._calls),
            evaluations=tuple(self._evaluated),
            outcomes=outcomes(self._points, self._plan.targets),
            skipped=self._source.skipped,
        )

    @property
    def _points(self) -> list[Point]:
        return [one.point for one in self._evaluated]

    def _evaluation_due(self, now: int) -> bool:
        if self._plan.evaluate_every is None:
            return False
        before, after = self._source.samples_until(self._before), self._source.samples_until(now)
        return due(before, after, self._plan.evaluate_every)

    def _evaluate(self, now: int, test: Source) -> None:
        parts = self._exchange((self._watch.verdict, self._session.evaluate(test.batches())))
        self._diverged = earliest(verdict for verdict, _ in parts)
        if self._diverged is not None:
            return
        total = merged(evaluation for _, evaluation in parts)
        point = Point(
            step=now,
            samples=self._source.samples_until(now),
            seconds=sum(call.seconds for call in self._calls),
            accuracy=total.top1,
        )
        self._evaluated.append(Evaluated(point=point, evaluation=total))
        self._targets_reached = self._plan.stop_at_targets and all_reached(self._points, self._plan.targets)
