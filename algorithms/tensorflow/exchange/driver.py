"""Runs Exchange algorithms: one traced step, what it counts, and what remains to do when training ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import tensorflow as tf

from algorithms.contract import Exchange, Finish
from algorithms.life import Pipeline
from algorithms.mechanisms.plan import Route
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.tensorflow.agreement import Comparison
from algorithms.tensorflow.arrays import bytes_of
from algorithms.tensorflow.collectives import leave
from algorithms.tensorflow.driver import Attached
from algorithms.tensorflow.exchange.dataflow import finished, reduced
from algorithms.tensorflow.exchange.departed import Departed
from algorithms.tensorflow.exchange.exposure import Exposure
from algorithms.tensorflow.exchange.line import Lines
from algorithms.tensorflow.exchange.pieces import Sent, exchanged
from algorithms.tensorflow.exchange.profile import Stopwatch, planned_route
from algorithms.tensorflow.exchange.wire import Carrier
from algorithms.tensorflow.names import Names
from algorithms.tensorflow.update import require_consumed, update
from algorithms.tensorflow.weighing import weighed


class ExchangeDriver:
    """The state of one wrapped optimizer between steps."""

    def __init__(self, algorithm: Exchange, attached: Attached) -> None:
        self.names = Names(in_flight=algorithm.delay + 2)
        self.route: Route | None = None
        self._algorithm, self._attached = algorithm, attached
        self._clock = attached.clock
        self._measures = False
        self._graph: tf.Graph | None = None  # that is being traced, and what it sends
        self._sent: list[Sent] = []
        self._stopwatch: Stopwatch | None = None
        self._travels = algorithm.reduces and attached.workers > 1
        self._variables: tuple[Any, ...] = ()
        self._lines: Lines | None = None  # where there is a delay
        self._present: frozenset[int] | None = None  # which variables have gradients, where a delay mixes steps
        self._first = -1  # the variable whose gradient backward makes first
        self._exposure = Exposure(attached.clock)
        self._comparison = Comparison(attached.checks, travels=self._travels)
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="steps")
        self._goes_on = False  # from what others have trained, too
        self._drains = 0  # exchanges made by `finish`
        self._dropped = 0  # averages that `finish` did not apply

    def build(self, variables: Sequence[Any]) -> None:
        self._variables = tuple(variables)
        attached, outer = self._attached, self._attached.outer
        attached.optimizer.build(list(variables))
        self._carrier = Carrier(attached.form, variables, outer.add_variable, attached.among, mean=True)
        if self._algorithm.delay:
            self._lines = Lines(self._algorithm, attached, variables)

    @property
    def description(self) -> str:
        with tf.init_scope():
            return f"{self._lines.steps} steps in flight" if self._lines is not None else "nothing in flight"

    def common(self) -> list[tf.Variable]:
        held = [*self._variables, *self._attached.optimizer.variables]
        return [variable.value for variable in (*held, *self._carrier.common)]

    @property
    def fresh(self) -> bool:
        return not self._goes_on and not int(self._steps.numpy())

    def begin(self) -> None:
        """Nothing is left to do."""

    @property
    def learning_rate(self) -> None:
        return None

    # Steps unrolled into one function

    @property
    def crosses(self) -> bool:
        goes_on = self._algorithm.finish is Finish.NEXT_USE or self._algorithm.delay > 0
        return self._travels and goes_on and self._attached.passes == 1

    @property
    def planned(self) -> bool:
        return self.route is not None

    def measure(self) -> None:
        self._measures = self.crosses

    def plan(self) -> None:
        self._measures = False
        if self._stopwatch is None or not self._stopwatch.steps:
            return
        ready, self._stopwatch = self._stopwatch.ready, None
        sizes = [variable.shape.num_elements() for variable in self._variables]
        self.route = planned_route(
            sizes, ready, f"{self.names.prefix}.plan", self._clock, self._carrier.freight, self._attached.among
        )
        # In a step of microseconds a gradient may be there before the clock has been read for the first time.
        self._first = min(range(len(ready)), key=lambda i: (ready[i] <= 0, ready[i]))
        self._exposure.undisturbed(max(float(ready[self._first]), 0.0))

    # One step

    def step(self, gradients: Mapping[int, tf.Tensor]) -> None:
        if self._measures:
            with tf.init_scope():
                self._stopwatch = self._stopwatch or Stopwatch(len(self._variables), self._clock)
            self._stopwatch.trace(gradients)
        weight = None if self._attached.samples is None else self._attached.samples.taken()
        if self._lines is not None:
            self._delayed_step(self._lines, gradients, weight)
        else:
            averages = self._exchanged(gradients, gradients, weight)
            if self._travels or weight is None:
                self._apply(averages)
            else:  # a worker that is alone and has no sample makes no step
                self._apply_if(weight > 0, lambda: averages)
            self._compare(tf.constant(True))
        self._steps.assign_add(1)

    def _delayed_step(self, lines: Lines, made: Mapping[int, tf.Tensor], weight: tf.Tensor | None) -> None:
        if self._present is None:
            self._present = frozenset(made)
        if self._present != frozenset(made):
            raise ValueError("With a delay the same variables must have gradients in every step")
        flying = self._in_flight(lines, made)
        departed = Departed(made, self._now(made), lines.scales.now())
        # The graph is that of a full line: while it fills, what is due is not applied.
        full = lines.full
        due = flying.departs(departed)
        assert due is not None
        self._apply_if(full, lambda: lines.due(due, departed.then))
        lines.keep(flying, departed, weight)
        self._compare(full)

    def _in_flight(self, lines: Lines, made: Mapping[int, tf.Tensor]) -> Pipeline[Departed]:
        """A full line, of which the newest is exchanged now, during a step that makes the gradients `made`."""
        # Of an empty line nothing is applied: what a format keeps back would go with it.
        return lines.flying(self._exchanged(lines.newest(made), made, lines.weight, present=lines.any))

    def _now(self, numbers: Iterable[int]) -> dict[int, tf.Tensor]:
        return {number: self._variables[number].value.read_value() for number in numbers}

    def _exchanged(
        self,
        sent: Mapping[int, tf.Tensor],
        made: Mapping[int, tf.Tensor],
        weight: tf.Tensor | None,
        present: tf.Tensor | None = None,
    ) -> dict[int, tf.Tensor]:
        """Averages of `sent` by variable, during a step that makes the gradients `made`. `present`: they are of use."""
        algorithm, after = self._algorithm, None
        place, prefix = self.names.next_step()
        with tf.name_scope(""), tf.name_scope("farandole"):
            if not self._travels:
                return dict(sent)
            if weight is not None:
                sent, after = weighed(
                    sent, weight, f"{prefix}.weights", self._attached.among, for_good=self._attached.form.feeds_back
                )
            if self.route is not None:
                # Steps of one graph share the wire one after the other: a step can begin only when the averages of the
                # one before are all there, and what overtook them would come too early.
                graph = tf.compat.v1.get_default_graph()
                if self._graph is not graph:
                    self._graph, self._sent = graph, []
                carry = partial(self._carrier.carry, present=present)
                averages = exchanged(sent, self.route, prefix, carry, sent=self._sent)
            else:
                averages = reduced(algorithm, sent, prefix, partial(self._carrier.whole, present=present))
            ready, landed = list(made.values()), list(averages.values())
            crossed = self.crosses and not algorithm.delay and place > 0
            self._exposure.step(ready, landed, crossed, first=made.get(self._first, ready[0]))
            averages = dict(zip(averages, finished(algorithm, landed), strict=True))
        return averages if after is None else {i: g * tf.cast(after, g.dtype) for i, g in averages.items()}

    def _apply_if(self, condition: tf.Tensor, averages: Callable[[], dict[int, tf.Tensor]]) -> None:
        def apply() -> tf.Tensor:
            self._apply(averages())
            return tf.constant(True)

        tf.cond(condition, apply, lambda: tf.constant(False))

    def _apply(self, averages: dict[int, tf.Tensor]) -> None:
        """One step of the user's optimizer, on the variables that have a gradient."""
        # An identity belongs to the graph that is being traced, so that its consumers can be asked for.
        applied = [tf.identity(averages[i]) if i in averages else None for i in range(len(self._variables))]
        update(self._attached.optimizer, applied, self._variables)
        require_consumed(applied, [variable.path for variable in self._variables])

    def _compare(self, applied: tf.Tensor) -> None:
        step, name = self._steps.read_value() + 1, f"{self.names.prefix}.agreement"
        self._comparison.trace(self._variables, name, step, applied, self._attached.among)

    # Around training

    def finish(self) -> None:
        """Apply or drop the averages in flight."""
        lines = self._lines
        flying = 0 if lines is None else lines.steps
        if lines is None or not flying:
            return
        if self._algorithm.drains:
            tf.function(lambda: self._drain(lines, flying), autograph=False)()
            self._drains += 1
        else:
            self._dropped += flying
        lines.empty()

    def _drain(self, lines: Lines, steps: int) -> None:
        present = sorted(self._present or range(len(lines)))
        flying = self._in_flight(lines, lines.newest(present))
        flying.restart(list(flying)[-steps:])
        for due, _ in flying.drains():
            self._apply(lines.due(due, self._now(present)))

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """All ranks hold what one evaluates at all times."""
        yield

    def watch(self, watcher: Watcher) -> bool:
        return not self._travels

    def still(self) -> AbstractContextManager[None]:
        return nullcontext()  # between two steps nothing moves

    @property
    def own(self) -> list[Any]:
        return self._carrier.residuals

    def go_on(self, survivors: Sequence[bool]) -> None:
        self._goes_on = True
        if self._lines is not None:
            self._lines.empty()  # a line holds gradients of workers that may be gone, and of none that is new

    def leave(self) -> None:
        leave()

    def telemetry(self) -> Telemetry:
        steps = int(self._steps.numpy())
        flying = 0 if self._lines is None else self._lines.steps
        used = steps - flying - self._dropped
        # With a delay the first step exchanges an empty ring, so there is one exchange for each step here too.
        rounds = steps + self._drains if self._algorithm.reduces else 0
        kept = [] if self._lines is None else self._lines.variables
        kept += self._carrier.variables if steps else []
        return Telemetry(
            steps=steps,
            rounds=rounds,
            bytes_sent=rounds * self._carrier.bytes if self._travels and rounds else 0,
            bytes_per_exchange=self._carrier.bytes if rounds else 0,
            exposed_seconds=self._exposure.seconds,
            staleness={self._algorithm.delay: used} if used else {},
            used=used,
            dropped=self._dropped,
            memory_declared=self._algorithm.memory() + self._attached.form.memory(),
            memory_bytes=bytes_of(kept),
        )
