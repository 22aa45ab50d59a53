"""Keras under Horovod's elastic loop: workers come and go, and those who stay keep what is theirs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf
from horovod.common.elastic import ObjectState, run_fn
from horovod.common.exceptions import HorovodInternalError, HostsUpdatedInterrupt
from horovod.tensorflow import elastic
from numpy.typing import NDArray

from algorithms.mechanisms.elastic import life
from algorithms.tensorflow import collectives
from algorithms.tensorflow.optimizer import DistributedOptimizer

Values = list[NDArray[Any]]


@dataclass(frozen=True)
class Kept:
    """A commit."""

    model: Values
    optimizer: Values


# What TensorFlow says where an exchange has failed, or a step's callback because of one: Horovod's words, or Gloo's file.
LOST = re.compile(r"Horovod has been shut down|HorovodAllreduce|HorovodAllgather|HorovodBroadcast|/gloo/")


def run(training: Callable[..., Any]) -> Callable[..., Any]:
    """`horovod.tensorflow.elastic.run` that knows a lost worker when it sees one.

    Horovod's own looks for the type of an operation in the error's text, where TensorFlow gives its name. An error that it
    does not know so ends the training function as if it had come to its end.
    """

    @functools.wraps(training)
    def translated(state: ElasticState, *arguments: Any, **named: Any) -> Any:
        try:
            return training(state, *arguments, **named)
        except tf.errors.OpError as error:
            if LOST.search(str(error)):
                raise HorovodInternalError(str(error)) from error
            raise

    loop: Callable[..., Any] = run_fn(translated, elastic._reset)

    @functools.wraps(training)
    def begun(state: ElasticState, *arguments: Any, **named: Any) -> Any:
        state.translated = True
        return loop(state, *arguments, **named)

    return begun


class ElasticState(life.ElasticLife, ObjectState):  # type: ignore[misc]
    """A Keras model and its distributed optimizer, for `run` of this module.

    The model is built. `wrap` makes the `DistributedOptimizer` and compiles the model with it: here, and again whenever
    the workers have changed, so what it works out of `hvd.size()` is always right. `objects` become attributes, go with
    each commit, and are rank 0's after each change; Horovod's own callbacks for `fit` take this state.

    `commit()` copies model, optimizer, centre and residuals. A worker that is lost costs what was trained since the last
    commit, at most the step or round under way if each step is committed, and gradients that were delayed.
    """

    model: keras.Model
    optimizer: DistributedOptimizer
    translated = False

    def __init__(self, model: keras.Model, wrap: Callable[[], DistributedOptimizer], **objects: Any) -> None:
        if not callable(wrap) or isinstance(wrap, keras.optimizers.Optimizer):
            raise ValueError(
                f"wrap={type(wrap).__name__}: must be a function that makes the optimizer and compiles the model with it, "
                "whenever workers have changed"
            )
        if not model.built:
            raise ValueError(f"model {model.name!r} has no weights yet: call model.build(input_shape) first")
        self.begin(objects)
        super().__init__(bcast_object=hvd.broadcast_object, get_rank=hvd.rank, **objects)
        self.model, self._wrap = model, wrap

    def _keep(self) -> Kept:
        with self.optimizer.driver.still():
            return Kept(_values(self.model.variables), _values(self.optimizer.variables))

    def _leave(self) -> None:
        if hasattr(self, "optimizer"):
            self.optimizer.driver.leave()
        collectives.leave()

    def _interrupt(self) -> NoReturn:
        raise HostsUpdatedInterrupt(skip_sync=False)

    def _gather(self, value: bool) -> Sequence[bool]:
        everyone = collectives.gather(
            np.array([value], np.int32), "farandole.elastic.survivors", hvd.global_process_set
        )
        return [bool(said) for said in everyone[:, 0]]

    def _meet(self, survivors: Sequence[bool]) -> None:
        if not self.translated:
            raise ValueError(
                "decorate the training function with algorithms.tensorflow.elastic.run: Horovod's own takes most losses of "
                "a worker for the end of training"
            )
        kept: Kept | None = self._kept
        self.optimizer = self._wrap()
        self.optimizer.build(self.model.trainable_variables)
        if not any(survivors):
            return
        lead = hvd.broadcast_object(kept if hvd.rank() == 0 else None, name="farandole.elastic.lead")
        driver = self.optimizer.driver
        copies = life.keeps_copies(self.optimizer.algorithm)
        shared = set() if copies else {id(variable) for variable in self.model.trainable_variables}
        own = {id(variable) for variable in driver.own}
        for number, variable in enumerate(self.model.variables):
            mine = kept is not None and id(variable) not in shared
            variable.assign((kept if mine and kept else lead).model[number])
        for number, variable in enumerate(self.optimizer.variables):
            mine = kept is not None and id(variable) in own
            variable.assign((kept if mine and kept else lead).optimizer[number])
        if kept is None:
            for variable in driver.own:
                if variable.path.rpartition("/")[2].startswith("residual"):
                    variable.assign(np.zeros(variable.shape))
        driver.go_on(survivors)


def _values(variables: Sequence[Any]) -> Values:
    return [np.array(variable.numpy()) for variable in variables]
