"""Drives `Rounds`: workers with copies of their own that meet around a centre, some of them or all.

The traced step calls back into Python where a round may begin or end: there it offers, waits and takes what has come of
it, while a helper thread votes and exchanges. Whatever is called back holds one of TensorFlow's inter-op threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from algorithms.contract import Own, Place, Reduction, Rounds
from algorithms.life import Verb
from algorithms.mechanisms.quorum.ballot import Terms, Verdict
from algorithms.mechanisms.quorum.helper import Helper
from algorithms.mechanisms.quorum.record import RoundRecord
from algorithms.mechanisms.quorum.replica import REBROADCAST
from algorithms.mechanisms.quorum.worker import Worker
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.tensorflow.arrays import Array, bytes_of, given_away, shared_memory
from algorithms.tensorflow.collectives import leave
from algorithms.tensorflow.driver import Attached
from algorithms.tensorflow.exchange.wire import Carrier
from algorithms.tensorflow.names import Names
from algorithms.tensorflow.refusals import refuse_unfit
from algorithms.tensorflow.rounds.copies import CopyWork
from algorithms.tensorflow.rounds.gradients import GradientWork, settable
from algorithms.tensorflow.rounds.outside import Outside
from algorithms.tensorflow.rounds.saved import Saved
from algorithms.tensorflow.rounds.traced import TracedStep
from algorithms.tensorflow.rounds.wire import RoundsWire


class RoundsDriver:
    """One worker's training loop around a helper thread that runs the rounds."""

    crosses = False
    planned = True

    def __init__(self, algorithm: Rounds, attached: Attached) -> None:
        refuse_unfit(algorithm, attached.workers)
        self.names = Names(in_flight=1)
        self._algorithm, self._attached = algorithm, attached
        self._centred = algorithm.optimizer_at is Place.CENTRE
        self.worker = Worker(algorithm, rank=attached.rank, workers=attached.workers, clock=attached.clock)
        self._carried = 0
        self._met = False  # the other ranks
        self._outside: Outside | None = None  # where parameters are the centre's
        self._trainer = threading.current_thread()
        self._variables: tuple[Any, ...] = ()
        # What its life may ask for: this step's gradients or copy and learning rate; and what the graph is to assign.
        self._made: Sequence[Array] = ()
        self._held: Sequence[Own] = ()
        self._rate, self._weight = 0.0, 1.0
        self._taken: list[Own] = []

    # -- around the first step

    def build(self, variables: Sequence[Any]) -> None:
        self._variables = tuple(variables)
        attached, outer = self._attached, self._attached.outer
        kind = GradientWork if self._centred else CopyWork
        self.work: GradientWork | CopyWork = kind(self._algorithm, attached, variables)
        adasum = self._algorithm.reduction is Reduction.ADASUM and attached.workers > 1  # of one worker it is its own
        carrier = Carrier(attached.form, variables, outer.add_variable, attached.among, mean=False)
        self.wire = RoundsWire(variables, self.names, attached.clock, carrier, attached.among, adasum=adasum)
        self.wire.watcher = self.worker.watcher
        if isinstance(self.work, GradientWork):
            self._outside = Outside(self._algorithm.name, self._variables, self.work, self.worker)
        self._traced = TracedStep(self._algorithm, attached, self._variables, self.work, self)
        self._saved = Saved(self._algorithm, attached, self.worker, self.work, self.wire.carrier, self._variables)

    @property
    def description(self) -> str:
        return f"{self._saved.rounds} rounds closed"

    def common(self) -> list[tf.Variable]:
        return self._saved.common

    @property
    def fresh(self) -> bool:
        return not self._variables or self._saved.fresh

    def begin(self) -> None:
        """Go on from the saved state, or from the model's parameters."""
        self._saved.resume()
        if self._saved.fresh:
            self.work.begin([shared_memory(variable.value.read_value()) for variable in self._variables])
        self._trainer = threading.current_thread()
        self._met = True

    def keep_records(self) -> list[RoundRecord]:
        return self.worker.keep_records()

    @property
    def learning_rate(self) -> Any:
        """A worker's own, where the user's optimizer stands at the centre and takes it from the offers."""
        mine = self._centred and settable(self._attached.optimizer)
        return self._attached.own_learning_rate if mine else None

    def measure(self) -> None:
        """Rounds are planned without it."""

    def plan(self) -> None:
        """Rounds are planned without it."""

    def step(self, gradients: Mapping[int, tf.Tensor]) -> None:
        self._traced.step(gradients)

    # -- what the step calls back

    def values_taken(self) -> list[Array]:
        taken, self._taken = self._taken, []
        values = [own.parameters for own in taken]
        if self.work.beside:
            values += [own.anchor for own in taken]
        return [given_away(value) for value in values]

    def gradients_ready(self, rate: Array, weight: Array, *gradients: Array) -> np.bool_:
        if weight < 0:
            raise ValueError(f"rank {self._attached.rank}: weighted=True needs weigh(samples) before each apply()")
        if self.worker.helper is None and self._outside is not None:
            self._outside.tells(self._outside.changed())
        self._start().check()
        if self.worker.over:
            return np.False_
        self.worker.steps += 1
        self._made, self._rate, self._weight = gradients, float(rate), float(weight)
        self.worker.begins()
        self.worker.computed()
        self.worker.carries_on(self)
        self._made = ()
        self._saved.save()
        return np.True_

    def step_begins(self, token: Array) -> np.bool_:
        self.worker.begins()
        return np.bool_(self.worker.life.verb is not Verb.COMPUTE)

    def offer_at_begin(self, rate: Array, *own: Array) -> np.bool_:
        self._held, self._rate = self._own(own), float(rate)
        self.worker.carries_on(self)
        self._held = ()
        return np.True_

    def step_ended(self, token: Array) -> np.bool_:
        """Whether something follows that needs this worker's parameters."""
        worker = self.worker
        self._start().check()
        worker.steps += 1
        worker.begins()
        worker.computed()
        if worker.life.verb is not Verb.BEGIN:
            return np.True_
        self._saved.save()
        return np.False_

    def meet(self, rate: Array, *own: Array) -> np.bool_:
        self._held, self._rate = self._own(own), float(rate)
        self.worker.carries_on(self)
        self._held = ()
        self._saved.save()
        return np.bool_(bool(self._taken))

    def _own(self, arrays: Sequence[Array]) -> list[Own]:
        count = len(self._variables)
        anchors = arrays[count:] or (None,) * count
        return [Own(parameters=x, anchor=a) for x, a in zip(arrays[:count], anchors, strict=True)]

    # -- what its life asks for

    def offer(self) -> Terms:
        self._start()
        if isinstance(self.work, GradientWork):
            return self.work.capture(self._made, self._rate, self._weight)
        return self.work.capture(self._held, self._rate)

    def adopt(self, *, late: bool) -> int:
        if isinstance(self.work, GradientWork):
            return self.read()
        self._taken, rounds = self.work.adopt(self._held, late=late)
        return rounds

    def read(self) -> int:
        if isinstance(self.work, GradientWork):
            arrays, rounds = self.work.refresh()
            self._taken = [Own(parameters=array) for array in arrays]
        else:
            self._taken, rounds = self.work.refresh(self._held)
        return rounds

    def anew(self) -> int:
        self.work.forget()  # dropped gradients would stay beside those of the next backward
        return self.read()

    def _start(self) -> Helper:
        # This may be one of TensorFlow's threads.
        return self.worker.helper or self.worker.start(self.wire, self, trainer=self._trainer)

    # -- the helper thread

    def carry(self, verdict: Verdict) -> None:
        """Exchange what the verdict takes and close the round."""
        centre = self.work.carry(verdict, self.wire)
        self._carried += 1
        if self._attached.checks.due(self._carried) and self._attached.workers > 1:
            self.wire.require_equal(centre, [variable.path for variable in self._variables], self.work.rounds)
        if self.work.rounds % REBROADCAST == 0:
            with self.work.whole:
                centred = self._attached.optimizer.variables if self._centred else []
                self.wire.take_first([v.value for v in (*self.work.replica.variables, *centred)], "centre")

    # -- around training

    def finish(self) -> None:
        if not self._met:
            return  # nor has any other rank: the first step meets all
        self._trainer = threading.current_thread()
        trained, rounds = self.worker.helper is not None, self.work.rounds
        changed = self._outside.changed() if self._outside is not None else []
        helper = self._start()  # a worker that has had no data serves the others' rounds, too
        held = (*self._variables, *self.work.beside)
        arrays = [shared_memory(variable.value.read_value()) for variable in held]
        self._held = self._own(arrays)
        del arrays
        self.worker.ends(self)
        helper.leave()
        if self._outside is not None and (trained or self.work.rounds != rounds):
            self._outside.tells(changed)
            self.read()  # else nobody has trained, and what stands in the model is the user's
        if self._taken:
            for target, value in zip(held, self.values_taken(), strict=True):
                target.assign(value)
        self._held = ()
        self.worker.renew(self.work.rounds)
        self._saved.save()

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """The centre or its average, where there is one; else this worker's own copy."""
        seen = self.work.replica.evaluated if self._variables else None
        if seen is None or not (self.worker.life.step or self.work.rounds):
            yield
            return
        with seen.in_place_of(self._variables, self.work.whole):
            yield

    @property
    def own(self) -> list[Any]:
        return self._saved.own

    def go_on(self, survivors: Sequence[bool]) -> None:
        self._saved.go_on(survivors)

    def leave(self) -> None:
        helper, self.worker.helper = self.worker.helper, None
        if helper is not None:
            helper.quit()
        leave()
        if helper is not None:
            helper.thread.join()

    @contextmanager
    def still(self) -> Iterator[None]:
        """The helper's next round waits, and what was saved tells how many rounds the centre has seen."""
        if self.worker.helper is None:
            yield
            return
        with self.work.whole:
            self._saved.save()
            yield

    def watch(self, watcher: Watcher) -> bool:
        self.worker.watch(watcher)
        if self._variables:
            self.wire.watcher = watcher
        return True

    def telemetry(self) -> Telemetry:
        if not self._variables:
            return self.worker.telemetry()
        counted = self.worker.telemetry(
            rounds=self.work.rounds,
            bytes_sent=self.wire.bytes_sent,
            payload_seconds=self.wire.payload_seconds,
            memory_bytes=self.work.bytes + bytes_of(self.wire.carrier.variables),
        )
        return replace(
            counted,
            bytes_per_exchange=self.wire.carrier.bytes,
            memory_declared=counted.memory_declared + self._attached.form.memory(),
        )
