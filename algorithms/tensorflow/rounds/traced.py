"""One step of an algorithm with rounds, as a graph: where a round may begin or end it calls back into Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from algorithms.contract import Moment, Rounds
from algorithms.tensorflow.arrays import Array
from algorithms.tensorflow.driver import Attached
from algorithms.tensorflow.rounds.copies import CopyWork
from algorithms.tensorflow.rounds.gradients import GradientWork
from algorithms.tensorflow.rounds.turns import comes_to_its_end, in_turn
from algorithms.tensorflow.update import update


class Calls(Protocol):
    """What the graph calls back, in one of TensorFlow's threads. True: something follows in the graph."""

    def gradients_ready(self, rate: Array, weight: Array, *gradients: Array) -> np.bool_:
        """Gradients are this step's; there is something to assign."""

    def step_begins(self, token: Array) -> np.bool_:
        """Whether something is offered before the step is computed."""

    def offer_at_begin(self, rate: Array, *own: Array) -> np.bool_:
        """Of these parameters."""

    def step_ended(self, token: Array) -> np.bool_:
        """Whether something follows that needs this worker's parameters."""

    def meet(self, rate: Array, *own: Array) -> np.bool_:
        """Which are these; whether there is something to assign."""

    def values_taken(self) -> list[Array]:
        """What is to be assigned: parameters, and what is kept beside them."""


class TracedStep:
    """Traces steps into whatever function the user's training loop is."""

    def __init__(
        self,
        algorithm: Rounds,
        attached: Attached,
        variables: Sequence[Any],
        work: GradientWork | CopyWork,
        calls: Calls,
    ) -> None:
        self._algorithm, self._attached, self._work, self._calls = algorithm, attached, work, calls
        self._variables = tuple(variables)
        self._targets = (*self._variables, *work.beside)

    def step(self, gradients: Mapping[int, tf.Tensor]) -> None:
        rate = tf.cast(tf.convert_to_tensor(self._attached.outer.learning_rate), tf.float64)
        samples = self._attached.samples
        weight = tf.constant(1.0, tf.float64) if samples is None else samples.taken()
        if isinstance(self._work, GradientWork):
            self._centred_step(dict(sorted(gradients.items())), rate, weight)
        else:
            self._copied_step(gradients, rate, weight)

    def _centred_step(self, local: Mapping[int, tf.Tensor], rate: tf.Tensor, weight: tf.Tensor) -> None:
        assert isinstance(self._work, GradientWork)
        present = tuple(local)
        if self._work.present not in ((), present):
            raise ValueError("With rounds of gradients the same variables must have gradients in every step")
        self._work.present = present
        offered = [tf.cast(gradient, self._variables[i].value.dtype) for i, gradient in local.items()]  # as Keras does
        with in_turn():
            changed = tf.numpy_function(self._calls.gradients_ready, [rate, weight, *offered], tf.bool)
        comes_to_its_end(with_=self._take_if(changed))

    def _copied_step(self, local: Mapping[int, tf.Tensor], rate: tf.Tensor, weight: tf.Tensor) -> None:
        assert isinstance(self._work, CopyWork)
        token = tf.constant(False)
        if self._algorithm.departs is Moment.STEP_BEGINS:
            token = self._begin_in_graph(rate)
        if self._attached.samples is None:
            self._local_step(local, rate)
        else:  # a worker without a sample stays where it is

            def move() -> tf.Tensor:
                self._local_step(local, rate)
                return tf.constant(True)

            tf.cond(self._said(weight) > 0, move, lambda: tf.constant(False))

        def meet() -> tf.Tensor:
            changed = tf.numpy_function(self._calls.meet, [rate, *self._own_in_graph()], tf.bool)
            self._take_if(changed)
            return tf.constant(True)

        with in_turn():  # of steps unrolled into one graph the next may not end before this one has met
            meets = tf.numpy_function(self._calls.step_ended, [token], tf.bool)
            meets.set_shape(())
            met = tf.cond(meets, meet, lambda: tf.constant(False))
        comes_to_its_end(with_=met)

    def _local_step(self, local: Mapping[int, tf.Tensor], rate: tf.Tensor) -> None:
        assert isinstance(self._work, CopyWork)
        applied = [local.get(i) for i in range(len(self._variables))]
        update(self._attached.optimizer, applied, self._variables)
        if self._algorithm.local_reads is not None:
            anchors = self._work.anchor.variables if self._work.anchor is not None else (None,) * len(self._variables)
            for variable, anchor in zip(self._variables, anchors, strict=True):
                own = self._work.local(
                    variable.value.read_value(),
                    None if anchor is None else anchor.value.read_value(),
                    tf.cast(rate, variable.value.dtype),
                )
                variable.assign(own.parameters)
                if anchor is not None:
                    anchor.assign(own.anchor)

    def _said(self, weight: tf.Tensor) -> tf.Tensor:
        told = f"rank {self._attached.rank}: weighted=True needs weigh(samples) before each apply()"
        with tf.control_dependencies([tf.debugging.Assert(weight >= 0, [told])]):
            return tf.identity(weight)

    def _begin_in_graph(self, rate: tf.Tensor) -> tf.Tensor:
        """STEP BEGINS, as far as a step can know of it: when the parameters are what the step before has left.

        The calls are stateless, though they are not, because TensorFlow would run stateful ones after everything
        stateful in forward and backward, behind which this exchange is to hide. Their results are used.
        """
        begun = self._variables[0].value.read_value()
        offers = tf.numpy_function(self._calls.step_begins, [begun], tf.bool, stateful=False)
        offers.set_shape(())

        def offer() -> tf.Tensor:
            done = tf.numpy_function(self._calls.offer_at_begin, [rate, *self._own_in_graph()], tf.bool, stateful=False)
            done.set_shape(())
            return done

        return tf.cond(offers, offer, lambda: tf.constant(False))

    def _own_in_graph(self) -> list[tf.Tensor]:
        return [target.value.read_value() for target in self._targets]

    def _take_if(self, changed: tf.Tensor) -> tf.Tensor:
        """Assign what the call has left."""
        changed.set_shape(())
        targets = self._targets

        def take() -> tf.Tensor:
            values = tf.numpy_function(self._calls.values_taken, [], [target.value.dtype for target in targets])
            for target, value in zip(targets, values if isinstance(values, list) else [values], strict=True):
                target.assign(tf.ensure_shape(value, target.shape))
            return tf.constant(True)

        return tf.cond(changed, take, lambda: tf.constant(False))
