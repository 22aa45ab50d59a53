"""A whole training run of one rank, for either framework and any number of ranks.

    plan = Plan(steps=500, evaluate_every=5000, targets=(0.9, 0.98), stop_at_targets=True)
    result = train(session, source, plan, test=test_source, exchange=hvd.allgather_object, finish=optimizer.finish)

Ranks must stop together, because one that leaves early hangs the rest: so whatever ends a run is decided on what all ranks
told each other (`exchange`) at a meeting. There are two ways to meet:

* *In step* (the default): at update numbers that follow from the plan alone. For algorithms whose ranks all take part in
  every round.
* *Free* (`meet_every`): each rank comes when it has trained for so many seconds. For algorithms that go on without the
  slowest: their ranks take different numbers of updates, and those that already waited at an update number would be
  missing from the rounds that the others still need to get there.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from suite.data import Batch, Prefetcher, Source
from suite.data.prefetch import Clock
from suite.training.divergence import Diverged, DivergenceWatch, earliest
from suite.training.evaluation import Evaluation, due, merged
from suite.training.plan import Plan
from suite.training.session import Session
from suite.training.targets import Outcome, Point, all_reached, outcomes

__all__ = ["FINISHED", "TARGETS_REACHED", "Call", "Evaluated", "Exchange", "Plan", "Result", "train"]

Exchange = Callable[[Any], Sequence[Any]]
"""Everybody's object, in rank order; every rank calls it at the same places."""

FINISHED, TARGETS_REACHED = "finished", "reached every target"


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


@dataclass(frozen=True, kw_only=True)
class _Word:
    """What a rank tells the others at a meeting."""

    diverged: Diverged | None
    evaluation: Evaluation | None
    steps: int
    samples: int


def train(
    session: Session,
    source: Source,
    plan: Plan,
    *,
    test: Source | None = None,
    exchange: Exchange = lambda mine: [mine],
    finish: Callable[[], object] = lambda: None,
    watch: DivergenceWatch | None = None,
    clock: Clock = time.perf_counter,
    before_step: Callable[[int], None] = lambda step: None,
) -> Result:
    """From `session.steps_taken` (0, or a loaded checkpoint's) to the end of the plan.

    Training time is the sum of the calls' times: neither evaluations nor checkpoints nor waiting for data are in it.
    `before_step` runs before every call and inside its time: where a straggler is injected. `finish` is the optimizer's:
    called before the last meeting, and before every one in free running, so that nobody waits in a round for a rank that
    waits in the meeting.
    """
    if plan.targets and test is None:
        raise ValueError("targets without a test source: nothing could reach them")
    run = _Run(session, source, test, plan, exchange, finish, watch or DivergenceWatch(), clock, before_step)
    with source.stream(session.steps_taken) as batches:
        while not run.over:
            run.call(batches)
            run.meet()
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
        finish: Callable[[], object],
        watch: DivergenceWatch,
        clock: Clock,
        before_step: Callable[[int], None],
    ) -> None:
        self._session, self._source, self._test, self._plan = session, source, test, plan
        self._exchange, self._finish, self._before_step = exchange, finish, before_step
        self._watch, self._clock = watch, clock
        self._begun = self._before = session.steps_taken
        self._met = clock()
        self._calls: list[Call] = []
        self._evaluated: list[Evaluated] = []
        self._diverged: Diverged | None = None
        self._targets_reached = False
        self._work_done = self._all_steps_taken

    @property
    def over(self) -> bool:
        return self._diverged is not None or self._targets_reached or self._work_done

    def call(self, batches: Prefetcher[Batch]) -> None:
        """The next update, or the next few unrolled ones."""
        first = self._before = self._session.steps_taken
        wanted = self._session.steps_per_call
        if not self._plan.free:
            wanted = min(wanted, self._plan.steps - first)
        waited = batches.waited_seconds
        taken = [next(batches) for _ in range(wanted)]
        waited = batches.waited_seconds - waited
        weights = [self._weight(first + place, len(labels)) for place, (_, labels) in enumerate(taken)]
        began = self._clock()
        self._before_step(first)
        losses = self._session.steps(taken, weights)
        self._calls.append(
            Call(
                first_step=first,
                steps=wanted,
                seconds=self._clock() - began,
                waited_seconds=waited,
                losses=tuple(losses),
                warm_up=first - self._begun < self._plan.warm_up,
            )
        )
        for number, loss in enumerate(losses, start=first):
            if loss is not None:
                self._watch.look(number, loss)

    def meet(self) -> None:
        """Where a meeting is due: evaluate, and learn how all ranks fared."""
        if self._plan.meet_every is not None:
            evaluates = leaves = self._clock() - self._met >= self._plan.meet_every
        else:
            leaves = self._all_steps_taken
            evaluates = leaves or self._evaluation_due
        if not (evaluates or self._due(self._plan.look_every)):
            return
        if leaves:
            self._finish()
        evaluation = self._session.evaluate(self._test.batches()) if evaluates and self._test is not None else None
        words: Sequence[_Word] = self._exchange(
            _Word(
                diverged=self._watch.verdict,
                evaluation=evaluation,
                steps=self._session.steps_taken,
                samples=self._source.own_samples_until(self._session.steps_taken),
            )
        )
        self._diverged = earliest(word.diverged for word in words)
        if evaluation is not None and self._diverged is None:
            self._note(words)
        self._work_done = sum(word.steps for word in words) >= self._plan.steps * len(words)
        self._met = self._clock()

    def keep(self) -> None:
        """Saves a checkpoint where one is due; never of a diverged run, which would overwrite the last good one."""
        if self._plan.checkpoint is None or self._diverged is not None:
            return
        if self.over or self._due(self._plan.checkpoint_every):
            self._session.save(self._plan.checkpoint)

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
    def _all_steps_taken(self) -> bool:
        return self._session.steps_taken >= self._plan.steps

    @property
    def _points(self) -> list[Point]:
        return [one.point for one in self._evaluated]

    @property
    def _evaluation_due(self) -> bool:
        if self._plan.evaluate_every is None:
            return False
        before, after = (self._source.samples_until(step) for step in (self._before, self._session.steps_taken))
        return due(before, after, self._plan.evaluate_every)

    def _due(self, every: int | None) -> bool:
        return every is not None and due(self._before, self._session.steps_taken, every)

    def _weight(self, step: int, samples: int) -> float:
        if self._plan.weighted and not self._plan.free:
            return self._source.weight(step)
        return 1.0 if samples else 0.0

    def _note(self, words: Sequence[_Word]) -> None:
        total = merged(word.evaluation for word in words if word.evaluation is not None)
        point = Point(
            step=self._session.steps_taken,
            samples=sum(word.samples for word in words),
            seconds=sum(call.seconds for call in self._calls),
            accuracy=total.top1,
        )
        self._evaluated.append(Evaluated(point=point, evaluation=total))
        self._targets_reached = self._plan.stop_at_targets and all_reached(self._points, self._plan.targets)
