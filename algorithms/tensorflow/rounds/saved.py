"""What one worker hands on: to a saved model that it will go on from, and to a job with other workers than before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from algorithms.contract import Rounds
from algorithms.life import Standing
from algorithms.mechanisms.quorum.worker import Worker
from algorithms.tensorflow.collectives import exchange
from algorithms.tensorflow.driver import Attached
from algorithms.tensorflow.exchange.wire import OPS, Carrier
from algorithms.tensorflow.rounds.copies import CopyWork
from algorithms.tensorflow.rounds.gradients import GradientWork
from algorithms.wire.format import Reduce


class Saved:
    """Writes down where a worker stands, in a variable that is saved with the user's optimizer."""

    def __init__(
        self,
        algorithm: Rounds,
        attached: Attached,
        worker: Worker,
        work: GradientWork | CopyWork,
        carrier: Carrier,
        variables: Sequence[Any],
    ) -> None:
        self._algorithm, self._attached, self._worker, self._work = algorithm, attached, worker, work
        self._carrier, self._variables = carrier, variables
        self._numbers = attached.outer.add_variable((4,), dtype="int64", name="rounds")

    @property
    def rounds(self) -> int:
        """Closed when it was last written down."""
        return self._read()[1]

    @property
    def fresh(self) -> bool:
        """Whether nothing has happened yet."""
        standing, rounds = self._read()
        return not (standing.step or rounds)

    def _read(self) -> tuple[Standing, int]:
        with tf.init_scope():
            step, rounds, read, due = self._numbers.numpy().tolist()
        return Standing(step=step, read=read, due=due - 1 if due else None), rounds  # a new variable is all zeros

    def _write(self, standing: Standing, rounds: int) -> None:
        due = 0 if standing.due is None else standing.due + 1
        self._numbers.assign(np.array([standing.step, rounds, standing.read, due]))

    def save(self) -> None:
        standing = self._worker.life.standing
        self._write(standing if self._algorithm.overlap else replace(standing, due=None), self._work.rounds)

    def resume(self) -> None:
        """Let the worker go on from where it was written down."""
        standing, rounds = self._read()
        if standing.due is not None:
            raise ValueError(
                "this state was saved while a round was in flight: call finish() on all ranks before saving"
            )
        self._worker.resume(rounds, standing)
        self._work.rounds = rounds

    @property
    def common(self) -> list[tf.Variable]:
        """Fresh workers take everything from rank 0; those that go on from a saved state have copies of their own."""
        inner = [variable.value for variable in self._attached.optimizer.variables]
        if self.fresh:
            return [*(variable.value for variable in self._variables), *inner]
        centre = [variable.value for variable in (*self._work.replica.variables, *self._carrier.common)]
        return [*centre, *inner] if isinstance(self._work, GradientWork) else centre

    @property
    def own(self) -> list[Any]:
        """Variables that a worker keeps when others come and go."""
        residuals: list[Any] = self._carrier.residuals
        if isinstance(self._work, GradientWork):
            return residuals
        return [*residuals, *self._attached.optimizer.variables, *self._work.beside]

    def go_on(self, survivors: Sequence[bool]) -> None:
        """Among other workers than before: who of them has been here, by rank."""
        standing, rounds = self._read()
        # A round that was not adopted is lost.
        self._write(replace(standing, read=min(standing.read, rounds), due=None), rounds)
        if not isinstance(self._work, CopyWork) or self.fresh:
            return
        new = not survivors[self._attached.rank]
        if "parameters" not in self._work.replica.kept:
            self._begin_at_mean(survivors)
        elif new or (self._algorithm.overlap and self._work.anchor is not None):
            # What has travelled is in the centre: a worker that had not adopted it would offer it once more.
            for number, variable in enumerate(self._variables):
                own = self._algorithm.own(self._work.replica.at(number).parameters)
                variable.assign(own.parameters)
                if self._work.anchor is not None:
                    self._work.anchor.put(number, own.anchor)

    def _begin_at_mean(self, survivors: Sequence[bool]) -> None:
        """Without a centre, newcomers begin where the others' next round would."""
        if all(survivors):
            return
        new = not survivors[self._attached.rank]
        for number, variable in enumerate(self._variables):
            share = variable.value.read_value() * (0.0 if new else 1.0 / sum(survivors))
            total = exchange(share, f"farandole.newcomers.{number}", self._attached.among, OPS[Reduce.SUM])
            if new:
                variable.assign(total)
