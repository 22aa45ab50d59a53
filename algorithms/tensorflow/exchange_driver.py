"""Runs Exchange algorithms: one traced step, what it counts, and what remains to do when training ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import horovod.tensorflow as hvd
import tensorflow as tf

from algorithms.contract import Exchange
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.tensorflow.agreement import require_agreement
from algorithms.tensorflow.exchange import dense, finished, reduce_now
from algorithms.tensorflow.names import Names
from algorithms.tensorflow.update import update

if TYPE_CHECKING:
    from algorithms.tensorflow.optimizer import DistributedOptimizer


class ExchangeDriver:
    """The state of one wrapped optimizer between steps."""

    def __init__(self, optimizer: DistributedOptimizer, algorithm: Exchange, check_agreement: bool) -> None:
        self.names = Names(in_flight=algorithm.delay + 2)
        self._optimizer = optimizer
        self._algorithm = algorithm
        self._checks = check_agreement and algorithm.reduces and hvd.size() > 1
        self._bytes = 0
        self._exposed = tf.Variable(0.0, dtype=tf.float64, trainable=False, name="exposed_seconds")

    def build(self, variables: Sequence[Any]) -> None:
        """Nothing is kept beside the parameters without a delay."""
        self._bytes = sum(variable.value.dtype.size * variable.shape.num_elements() for variable in variables)

    def step(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        """Trace one step into the current graph."""
        algorithm, optimizer = self._algorithm, self._optimizer
        present = [i for i, gradient in enumerate(gradients) if gradient is not None]
        local = [dense(gradients[i]) for i in present]
        prefix = self.names.of_step()
        names = [f"{prefix}.{optimizer._get_variable_index(variables[i])}" for i in present]
        with tf.name_scope(""), tf.name_scope("farandole"):
            averages = reduce_now(algorithm, local, names)
            with tf.control_dependencies(local):
                ready = tf.timestamp()
            with tf.control_dependencies(averages):
                landed = tf.timestamp()
            # A stateful op, which always runs, consumes every average: none can be pruned on one rank only.
            self._exposed.assign_add(tf.maximum(landed - ready, 0.0))
            applied = finished(algorithm, averages)
        by_index = dict(zip(present, applied, strict=True))
        update(optimizer.inner_optimizer, [by_index.get(i) for i in range(len(variables))], list(variables))
        steps = optimizer._iterations
        if self._checks:
            tf.cond(tf.equal(steps.value, 0), lambda: self._compare(variables), lambda: tf.constant(True))
        steps.assign_add(1)

    def finish(self) -> None:
        """Everything has landed when a step without delay returns."""

    def telemetry(self) -> Telemetry:
        steps = int(self._optimizer._iterations.numpy())
        return Telemetry(
            steps=steps,
            rounds=steps if self._algorithm.reduces else 0,
            bytes_sent=steps * self._bytes if self._algorithm.reduces and hvd.size() > 1 else 0,
            exposed_seconds=float(self._exposed.numpy()),
            staleness={0: steps} if steps else {},
            used=steps,
            memory_declared=self._algorithm.memory(),
        )

    def _compare(self, variables: Sequence[Any]) -> tf.Tensor:
        values = [variable.value.read_value() for variable in variables]
        paths = [variable.path for variable in variables]
        require_agreement(values, paths, f"{self.names.prefix}.agreement", "after the first step")
        return tf.constant(True)
