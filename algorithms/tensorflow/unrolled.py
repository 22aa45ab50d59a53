"""Several training steps in one traced function, so that one step's exchange can travel during the next step.

Keras runs `steps_per_execution` steps as a loop whose body is a function of its own, and TensorFlow runs all of a
function's side effects before anything that follows it: nothing crosses from one step into the next. Here the same
`train_step` is traced several times into one graph, where a step waits for exactly what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import keras
import tensorflow as tf

from algorithms.tensorflow.driver import Driver
from algorithms.tensorflow.exchange.profile import STEPS


class UnrolledTrainFunction:
    """What Keras calls with its iterator: takes the place of `model.train_function`."""

    def __init__(self, model: keras.Model, driver: Driver) -> None:
        self._model = model
        self._optimizer = model.optimizer
        self._driver = driver
        self._steps = model.steps_per_execution
        self._functions: list[Any] = []
        self._single, self._several = self._traced(self._one_step), self._traced(self._all_steps)
        self._taken = 0
        self._compiled = model._compile_config  # a new one whenever it is compiled
        self._trained = [id(variable) for variable in model.trainable_variables]

    def fits(self, model: keras.Model) -> bool:
        """Whether this was made for the model as it is compiled now."""
        same = model is self._model and model.optimizer is self._optimizer and model._compile_config is self._compiled
        trained = [id(variable) for variable in model.trainable_variables]
        return same and model.steps_per_execution == self._steps and trained == self._trained

    def __call__(self, iterator: Iterator[Any]) -> Any:
        batches = [_without_optionals(batch) for batch in islice(iterator, self._steps)]
        if not batches:
            raise StopIteration
        if len(batches) == self._steps and self._taken >= STEPS:
            return self._several(batches)
        logs = None
        for batch in batches:
            logs = self._one(batch)
        return logs

    @property
    def traces(self) -> int:
        """How often a function was traced."""
        return sum(int(traced.experimental_get_tracing_count()) for traced in self._functions)

    def _traced(self, step: Callable[[Any], Any]) -> Any:
        self._functions.append(tf.function(step, reduce_retracing=True, autograph=False))
        return self._functions[-1]

    def _one(self, batch: Any) -> Any:
        """The first steps go alone: they show how long everything takes."""
        if self._taken == 0 and not self._driver.planned:
            self._driver.measure()
        logs = self._single(batch)
        self._taken += 1
        if self._taken == STEPS:
            self._driver.plan()
            # A rank that traces again, for a batch of another size, would send as it is planned now, and no other would.
            self._single = self._traced(self._one_step)
        return logs

    def _one_step(self, batch: Any) -> Any:
        return self._model.train_step(batch)

    def _all_steps(self, batches: list[Any]) -> Any:
        logs = None
        for batch in batches:
            logs = self._model.train_step(batch)
        return logs


def _without_optionals(batch: Any) -> Any:
    """Keras's adapters say None with an empty `Optional`."""
    return keras.tree.map_structure(lambda part: None if isinstance(part, tf.experimental.Optional) else part, batch)
