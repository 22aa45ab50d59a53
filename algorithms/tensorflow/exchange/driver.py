"""Runs Exchange algorithms: one traced step, what it counts, and what remains to do when training ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import horovod.tensorflow as hvd
import tensorflow as tf

from algorithms.contract import Exchange, Finish
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.tensorflow.agreement import Checks, require_agreement
from algorithms.tensorflow.clock import Clock
from algorithms.tensorflow.exchange.dataflow import dense, finished, reduced, travels
from algorithms.tensorflow.exchange.exposure import Exposure
from algorithms.tensorflow.exchange.pieces import Route, Sent, exchanged
from algorithms.tensorflow.exchange.profile import Stopwatch, planned_route
from algorithms.tensorflow.exchange.ring import Ring
from algorithms.tensorflow.exchange.wire import Carrier
from algorithms.tensorflow.names import Names
from algorithms.tensorflow.scaling import Scales
from algorithms.tensorflow.update import require_consumed, update
from algorithms.wire import Format

if TYPE_CHECKING:
    from algorithms.tensorflow.optimizer import DistributedOptimizer


class ExchangeDriver:
    """The state of one wrapped optimizer between steps."""

    def __init__(
        self, optimizer: DistributedOptimizer, algorithm: Exchange, *, form: Format, checks: Checks, clock: Clock
    ) -> None:
        self.names = Names(in_flight=algorithm.delay + 2)
        self.route: Route | None = None
        self._optimizer = optimizer
        self._algorithm = algorithm
        self._form = form
        self._clock = clock
        self._measures = False
        self._graph: tf.Graph | None = None  # that is being traced, and what it sends
        self._sent: list[Sent] = []
        self._stopwatch: Stopwatch | None = None
        self._travels = travels(algorithm)
        self._variables: tuple[Any, ...] = ()
        self._rings: tuple[Ring, ...] = ()
        self._present: frozenset[int] | None = None  # which variables have gradients, where a delay mixes steps
        self._first = -1  # the variable whose gradient backward makes first
        self._exposure = Exposure(clock)
        self._every = checks.every if self._travels else 0
        self._unchecked = tf.Variable(checks.first and self._travels, trainable=False, name="unchecked")
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="steps")
        self._drains = 0  # exchanges made by `finish`
        self._dropped = 0  # averages that `finish` did not apply

    def build(self, variables: Sequence[Any]) -> None:
        self._variables = tuple(variables)
        self._optimizer.inner_optimizer.build(list(variables))
        self._carrier = Carrier(self._form, variables, self._optimizer.add_variable, workers=hvd.size(), mean=True)
        if self._algorithm.delay:
            create = self._optimizer.add_variable_from_reference
            self._rings = tuple(Ring(self._algorithm, variable, create) for variable in variables)
            self._flying = self._optimizer.add_variable((), dtype="int32", name="in_flight")
            self._scales = Scales(self._optimizer.inner_optimizer, self._algorithm.delay, self._optimizer.add_variable)

    @property
    def description(self) -> str:
        with tf.init_scope():
            return f"{int(self._flying.numpy())} steps in flight" if self._rings else "nothing in flight"

    def common(self) -> list[tf.Variable]:
        held = [*self._variables, *self._optimizer.inner_optimizer.variables]
        return [variable.value for variable in (*held, *self._carrier.common)]

    def begin(self) -> None:
        """Nothing is left to do."""

    @property
    def learning_rate(self) -> None:
        return None

    # Steps unrolled into one function

    @property
    def crosses(self) -> bool:
        return self._travels and (self._algorithm.finish is Finish.NEXT_USE or self._algorithm.delay > 0)

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
        self.route = planned_route(sizes, ready, f"{self.names.prefix}.plan", self._clock, self._carrier.freight)
        # In a step of microseconds a gradient may be there before the clock has been read for the first time.
        self._first = min(range(len(ready)), key=lambda i: (ready[i] <= 0, ready[i]))
        self._exposure.undisturbed(max(float(ready[self._first]), 0.0))

    # One step

    def step(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        indices = [self._optimizer._get_variable_index(variable) for variable in variables]
        local = {i: dense(gradient) for i, gradient in zip(indices, gradients, strict=True) if gradient is not None}
        if not local:
            raise ValueError("No variable has a gradient")
        if self._measures:
            with tf.init_scope():
                self._stopwatch = self._stopwatch or Stopwatch(len(self._variables), self._clock)
            self._stopwatch.trace(local)
        if self._rings:
            self._delayed_step(local)
        else:
            averages = self._exchanged(local, local)
            self._apply(averages)
            self._compare(tf.constant(True))
        self._steps.assign_add(1)

    def _delayed_step(self, local: dict[int, tf.Tensor]) -> None:
        if self._present is None:
            self._present = frozenset(local)
        if self._present != frozenset(local):
            raise ValueError("With a delay the same variables must have gradients in every step")
        stored = {i: self._rings[i].newest.value.read_value() for i in local}
        averages = self._exchanged(stored, local)
        full = tf.equal(self._flying.value, self._algorithm.delay)
        lines = {i: self._rings[i].line(averages[i]) for i in local}
        then = {i: self._rings[i].taken_at() for i in local}
        now = {i: self._variables[i].value.read_value() for i in local}
        scale, scales = self._scales.now(), self._scales.then()

        def apply_oldest() -> tf.Tensor:
            self._apply({i: self._due(i, lines[i][0], now[i], then[i][0], scales, 0) for i in local})
            return tf.constant(True)

        tf.cond(full, apply_oldest, lambda: tf.constant(False))
        for i, gradient in local.items():
            self._rings[i].push(averages[i], gradient, now[i])
        self._scales.push(scale)
        self._flying.assign(tf.minimum(self._flying.value + 1, self._algorithm.delay))
        self._compare(full)

    def _due(self, i: int, average: tf.Tensor, now: tf.Tensor, then: Any, scales: Any, turn: int) -> tf.Tensor:
        """What the algorithm applies of an average in flight, as the user's optimizer takes it today."""
        scale = self._scales.now()
        average = self._scales.restored(average, scale, None if scales is None else scales[turn])
        if not self._algorithm.compares_parameters:
            return self._rings[i].corrected(average, now, then)
        return self._scales.seen(lambda true: self._rings[i].corrected(true, now, then), average, scale)

    def _exchanged(self, sent: dict[int, tf.Tensor], made: dict[int, tf.Tensor]) -> dict[int, tf.Tensor]:
        """Averages of `sent` by variable, during a step that makes the gradients `made`."""
        algorithm = self._algorithm
        place, prefix = self.names.next_step()
        with tf.name_scope(""), tf.name_scope("farandole"):
            if not self._travels:
                return sent
            if self.route is not None:
                # Steps of one graph share the wire one after the other: a step can begin only when the averages of the
                # one before are all there, and what overtook them would come too early.
                graph = tf.compat.v1.get_default_graph()
                if self._graph is not graph:
                    self._graph, self._sent = graph, []
                averages = exchanged(sent, self.route, prefix, self._carrier.carry, sent=self._sent)
            else:
                averages = reduced(algorithm, sent, prefix, self._carrier)
            ready, landed = list(made.values()), list(averages.values())
            crossed = self.crosses and not algorithm.delay and place > 0
            self._exposure.step(ready, landed, crossed, first=made.get(self._first, ready[0]))
            return dict(zip(averages, finished(algorithm, landed), strict=True))

    def _apply(self, averages: dict[int, tf.Tensor]) -> None:
        """One step of the user's optimizer, on the variables that have a gradient."""
        # An identity belongs to the graph that is being traced, so that its consumers can be asked for.
        applied = [tf.identity(averages[i]) if i in averages else None for i in range(len(self._variables))]
        update(self._optimizer.inner_optimizer, applied, self._variables)
        require_consumed(applied, [variable.path for variable in self._variables])

    def _compare(self, applied: tf.Tensor) -> None:
        """Compare parameters with the other ranks after the first update, and every so many steps."""
        with tf.init_scope():
            first = bool(self._unchecked.numpy())
        if not first and not self._every:
            return  # a trace made later does without the question
        step = self._steps.read_value() + 1
        due = tf.logical_and(self._unchecked, applied)
        if self._every:
            due = tf.logical_or(due, tf.equal(step % self._every, 0))

        def compare() -> tf.Tensor:
            values = [variable.value.read_value() for variable in self._variables]
            paths = [variable.path for variable in self._variables]
            when = tf.strings.format("after step {}", step)
            require_agreement(values, paths, f"{self.names.prefix}.agreement", when)
            self._unchecked.assign(False)
            return tf.constant(True)

        tf.cond(due, compare, lambda: tf.constant(False))

    # Around training

    def finish(self) -> None:
        """Apply or drop the averages in flight."""
        flying = int(self._flying.numpy()) if self._rings else 0
        if flying:
            if self._algorithm.drains:
                tf.function(lambda: self._drain(flying))()
                self._drains += 1
            else:
                self._dropped += flying
            self._flying.assign(0)

    def _drain(self, flying: int) -> None:
        present = sorted(self._present or range(len(self._rings)))
        stored = {i: self._rings[i].newest.value.read_value() for i in present}
        averages = self._exchanged(stored, stored)
        lines = {i: self._rings[i].line(averages[i])[-flying:] for i in present}
        then = {i: self._rings[i].taken_at()[-flying:] for i in present}
        scales = self._scales.then()
        scales = None if scales is None else scales[-flying:]
        for turn in range(flying):
            now = {i: self._variables[i].value.read_value() for i in present}
            self._apply({i: self._due(i, lines[i][turn], now[i], then[i][turn], scales, turn) for i in present})

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """All ranks hold what one evaluates at all times."""
        yield

    def watch(self, watcher: Watcher) -> bool:
        return not self._travels

    def still(self) -> AbstractContextManager[None]:
        return nullcontext()  # between two steps nothing moves

    def telemetry(self) -> Telemetry:
        steps = int(self._steps.numpy())
        flying = int(self._flying.numpy()) if self._rings else 0
        used = steps - flying - self._dropped
        # With a delay the first step exchanges an empty ring, so there is one exchange for each step here too.
        rounds = steps + self._drains if self._algorithm.reduces else 0
        kept = [variable for ring in self._rings for variable in ring.variables]
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
            memory_declared=self._algorithm.memory() + self._form.memory(),
            memory_bytes=_bytes(kept),
        )


def _bytes(variables: Sequence[Any]) -> int:
    return sum(variable.value.dtype.size * variable.shape.num_elements() for variable in variables)
