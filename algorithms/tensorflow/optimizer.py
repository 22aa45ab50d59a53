"""The Keras optimizer that users see."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import horovod.tensorflow as hvd
import keras
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm
from algorithms.mechanisms.quorum.record import RoundRecord
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.tensorflow.agreement import Checks
from algorithms.tensorflow.around import Around
from algorithms.tensorflow.attach import begin_alike, initialised, require_alike, require_same_gradients, share
from algorithms.tensorflow.clock import Clock
from algorithms.tensorflow.collectives import known_set
from algorithms.tensorflow.driver import Attached, Driver
from algorithms.tensorflow.drivers import driver_of
from algorithms.tensorflow.eager import EagerSteps
from algorithms.tensorflow.passes import Passes
from algorithms.tensorflow.refusals import (
    clip_average,
    refuse_outside,
    refuse_strangers,
    refuse_unkept,
    refuse_unwrappable,
    refuse_xla,
)
from algorithms.tensorflow.rounds.driver import RoundsDriver
from algorithms.tensorflow.scaling import innermost
from algorithms.tensorflow.weighing import Samples
from algorithms.wire import Asked, fitting, named


class DistributedOptimizer(Around):
    """A Keras optimizer whose gradients, or whose parameters, travel as an algorithm says.

    It wraps any Keras optimizer, which goes on doing every update itself: learning-rate schedules, clipping, weight decay
    and loss scaling stay as they are set there, and act where that optimizer stands: on the average of all ranks, except
    with algorithms whose workers move copies of their own. Trained weights and optimizer state of rank 0 become everybody's
    before the first step; frozen weights and statistics (of batch normalisation, of `adapt()`) with `TrainingCallback` or
    by `share`. After the first step (`check_agreement`) all ranks compare their parameters where the algorithm promises
    equal ones: each rank's own, or its replica of the centre. `check_every` asks again every so many steps or rounds.
    `wire` is the form in which numbers travel (`algorithms.wire`): "none", "fp16", "int16", "powersgd:rank=4", or such an
    object. What it leaves behind of this rank's numbers is in variables of this optimizer, saved with it.

    passes:    calls of `apply` per step, whose gradients add up before they travel. They cost a copy of the parameters.
    weighted:  `weigh(samples)` is called before each step, and gradients, which must be means over the rank's samples,
               are averaged over all samples. `weigh(0)`: no sample, whatever the gradients are.
    clip_norm: the averaged gradient is made no longer than this, as by `global_clipnorm` of the wrapped optimizer; layers
               then wait for the norm of all of them, also with `LayerWise`.
    process_set: the ranks that train together, as Horovod's; only they wrap, and "all ranks" are then these.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        algorithm: Algorithm,
        *,
        passes: int = 1,
        weighted: bool = False,
        clip_norm: float | None = None,
        check_agreement: bool = True,
        check_every: int = 0,
        wire: Asked = "none",
        process_set: hvd.ProcessSet = hvd.global_process_set,
        clock: Clock = time.perf_counter,
        name: str | None = None,
    ) -> None:
        refuse_unwrappable(optimizer, algorithm, passes=passes, weighted=weighted, among=process_set)
        if clip_norm is not None:
            clip_average(optimizer, algorithm, clip_norm)
        super().__init__(optimizer, name or f"distributed_{optimizer.name}")
        self.algorithm = algorithm
        self.check_agreement = check_agreement
        self.check_every = check_every
        self.wire = str(named(wire))
        self.passes = passes
        self.weighted = weighted
        self._among = process_set
        checks = Checks(first=check_agreement, every=check_every)
        self._samples = Samples() if weighted else None
        attached = Attached(
            optimizer=optimizer,
            outer=self,
            among=process_set,
            workers=process_set.size(),
            rank=process_set.rank(),
            form=fitting(wire, algorithm, process_set.size()),
            checks=checks,
            clock=clock,
            passes=passes,
            samples=self._samples,
        )
        self._driver = driver_of(algorithm, attached)
        self._passes = Passes(passes, self)
        refuse_unkept(optimizer, algorithm)
        self._begun = False
        self._met = False  # the other ranks, with gradients for the same variables
        self._eagerly = EagerSteps(self._step)
        self._wrapped = True

    # What Keras asks for

    def build(self, variables: Sequence[Any]) -> None:
        """Create the state of the user's optimizer and of the algorithm."""
        if self.built:
            return
        variables = list(variables)
        self._driver.build(variables)
        self._passes.build(variables)
        super().build(variables)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """One step: what `grads` become is the algorithm's business.

        What is handed over here is what travels, and nothing that follows can change it. Clip and scale the average by the
        arguments of the wrapped optimizer (`global_clipnorm`, ...): what a loop does to its gradients before `apply` it
        does to this rank's own, as under `tf.distribute`. Every rank calls this in every step. A rank that leaves out a
        step because its own gradients are not finite would keep the others waiting: a `LossScaleOptimizer` that is
        wrapped leaves it out on all ranks alike.
        """
        # A user's tf.function would rewrite everything below, line by line, for nothing.
        tf.autograph.experimental.do_not_convert(self._apply)(grads, trainable_variables)

    def weigh(self, samples: Any) -> None:
        """How many samples this rank's next gradient is the mean of; 0 is one without. In a traced step, or before it."""
        if self._samples is None:
            raise ValueError("weigh() needs DistributedOptimizer(..., weighted=True) on every rank")
        self._samples.say(samples)

    @property
    def learning_rate(self) -> Any:
        own = self._driver.learning_rate
        return self.inner_optimizer.learning_rate if own is None else own

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        own = self._driver.learning_rate
        if own is None:
            self.inner_optimizer.learning_rate = learning_rate
        else:
            own.assign(learning_rate)

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__dict__.get("_wrapped"):
            refuse_outside(name, value)
        super().__setattr__(name, value)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        if innermost(self.inner_optimizer).use_ema:
            self.finish()  # what is in flight belongs into the average that takes the parameters' place
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "optimizer": keras.saving.serialize_keras_object(self.inner_optimizer),
            "algorithm": self.algorithm.name,
            "options": dict(vars(self.algorithm)),
            "passes": self.passes,
            "weighted": self.weighted,
            "check_agreement": self.check_agreement,
            "check_every": self.check_every,
            "wire": self.wire,
            "process_set": None if self._among is hvd.global_process_set else list(self._among.ranks),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> DistributedOptimizer:
        inner = keras.saving.deserialize_keras_object(config["optimizer"], custom_objects=custom_objects)
        algorithm = algorithms.CATALOGUE[config["algorithm"]](**config["options"])
        others = {key: value for key, value in config.items() if key not in ("optimizer", "algorithm", "options")}
        others["process_set"] = known_set(others.get("process_set"))
        return cls(inner, algorithm, **others)

    def save_own_variables(self, store: Any) -> None:
        """All of one moment, the wrapped optimizer's variables among them: rounds go on meanwhile."""
        with self._driver.still():
            super().save_own_variables(store)

    # What the algorithms add

    def start(self, variables: Sequence[Any]) -> None:
        """Take rank 0's weights now rather than while the first step is traced. Collective.

        Only loops without `tf.function` need it: there the first gradient is taken before the optimizer is asked.
        """
        self.build(variables)
        self._begin()

    def share(self, variables: Sequence[Any]) -> None:
        """Give all ranks rank 0's values of variables that this optimizer does not train. Collective.

        `model.non_trainable_weights`, before the first step; `TrainingCallback` does it. Not `non_trainable_variables`:
        they hold the random state of dropout, which would be the same on all ranks.
        """
        share(list(variables), self._driver.names.prefix, self._among)

    def finish(self) -> None:
        """Drain what is in flight. Collective; where nobody has trained since the last one, it changes nothing."""
        self._driver.finish()

    def evaluation(self) -> AbstractContextManager[None]:
        """The parameters that one evaluates, put back at the end."""
        return self._driver.evaluation()

    def telemetry(self) -> Telemetry:
        """What was counted on this rank so far."""
        return self._driver.telemetry()

    def watch(self, watcher: Watcher) -> bool:
        """Have someone told of every exchange and vote from now on. False: a profile shows them."""
        return self._driver.watch(watcher)

    def keep_records(self) -> list[RoundRecord]:
        """From now on write down who was in which round, for `algorithms.virtual.replay`; equal on all ranks."""
        if not isinstance(self._driver, RoundsDriver):
            raise ValueError(f"{self.algorithm.name} has no rounds to record: every step is everybody's")
        return self._driver.keep_records()

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """For custom loops that trace several steps into one function: run some single steps in here first.

        What is traced afterwards sends its gradients in an order that is planned from what these steps measured. Every
        rank runs as many. A function that was traced in here is not called behind it, unless it has an
        `input_signature`: a rank that traced it once more would send in the new order, and the others would not.
        `TrainingCallback` does this for `fit`.
        """
        self._driver.measure()
        yield
        self._driver.plan()

    @property
    def driver(self) -> Driver:
        """What runs the algorithm, for whoever traces several steps into one function."""
        return self._driver

    def _apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None) -> None:
        grads = list(grads)
        if not grads:
            return
        refuse_xla()
        if trainable_variables is None:
            if not self.built:
                raise ValueError("apply(grads) without variables needs an optimizer that is built: pass the variables")
            trainable_variables = self._trainable_variables
        variables = list(trainable_variables)
        if not self.built:
            with keras.name_scope(self.name):
                self.build(variables)
        strangers = [v.path for v in variables if self._var_key(v) not in self._trainable_variables_indices]
        refuse_strangers(grads, variables, strangers)
        if tf.executing_eagerly() and not self._begun:
            require_alike([variable.value for variable in variables], self._among)
        self._begin()
        if self._begun and not self._met:
            present = [v.path for v, gradient in zip(variables, grads, strict=True) if gradient is not None]
            require_same_gradients(present, self._driver.names.prefix, self._among)
            self._met = True
        step = self._eagerly.step if tf.executing_eagerly() else self._step
        step([self._get_variable_index(v) for v in variables], grads)

    def _step(self, keys: Sequence[int], grads: Sequence[Any]) -> None:
        # Sparse gradients travel dense: their size differs from rank to rank.
        local = {key: tf.convert_to_tensor(g) for key, g in zip(keys, grads, strict=True) if g is not None}
        if not local:
            raise ValueError("No variable has a gradient")
        self._passes.step(local, self._driver.step)

    def _begin(self) -> None:
        """Broadcast as soon as there are values: during the first trace, or the second if the first creates variables."""
        if self._begun:
            return
        inner = self.inner_optimizer
        if not initialised([v.value for v in (*self._trainable_variables, *inner.variables, *self._variables)]):
            return
        with tf.init_scope():
            self.take_loaded()
        shapes = [(variable.path, tuple(variable.shape), variable.dtype) for variable in self._trainable_variables]
        description = (
            f"{type(inner).__name__}, {self.algorithm}, wire={self.wire!r}, passes={self.passes}, "
            f"weighted={self.weighted}, {self._driver.description}, {shapes}"
        )
        begin_alike(description, self._driver.common(), self._driver.names, self._among)
        with tf.init_scope():
            self._driver.begin()
        self._begun = True


# Keras finds the class in saved models by this.
keras.saving.register_keras_serializable(package="farandole")(DistributedOptimizer)
