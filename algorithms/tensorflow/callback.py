"""What Keras's training loop should know of the wrapped optimizer."""

from __future__ import annotations

from typing import Any

import keras

from algorithms.tensorflow.optimizer import DistributedOptimizer
from algorithms.tensorflow.unrolled import UnrolledTrainFunction


class TrainingCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Give this to `fit`: all begin as rank 0, exchanges cross from step to step, it drains at the end and reports.

    Before a new optimizer's first step rank 0's frozen weights and statistics become everybody's, beside what is trained;
    the random state of layers stays each rank's own.

    With `steps_per_execution` > 1, algorithms that hide an exchange behind the next step run on steps unrolled into one
    function. The logs gain `exposed`, the seconds of a step in which training stood still for an exchange, and, where it
    is not zero, `staleness`, the mean age in rounds of the gradients applied.
    """

    def __init__(self, *, finish: bool = True) -> None:
        super().__init__()
        self._finish = finish
        self.train_function: UnrolledTrainFunction | None = None
        self._unbuilt = False  # when training began

    @property
    def optimizer(self) -> DistributedOptimizer:
        """The wrapped optimizer of the model in training."""
        optimizer = self.model.optimizer
        if not isinstance(optimizer, DistributedOptimizer):
            raise ValueError(
                f"optimizer={optimizer!r}: TrainingCallback needs a model compiled with DistributedOptimizer"
            )
        return optimizer

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Keras has made its train function and has not used it yet."""
        model, optimizer = self.model, self.optimizer
        if model.jit_compile:
            raise ValueError("jit_compile=True: Horovod's XLA ops are not built; compile with jit_compile=False")
        fresh = optimizer.driver.fresh
        if model.built:
            optimizer.start(model.trainable_variables)
        if fresh:
            self._unbuilt = not model.built
            self._share()
        if optimizer.driver.crosses and model.steps_per_execution > 1 and not model.run_eagerly:
            if self.train_function is None or not self.train_function.fits(model):
                self.train_function = UnrolledTrainFunction(model, optimizer.driver)
            model.train_function = self.train_function

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._unbuilt:  # the first step has made what is to be shared
            self._unbuilt = False
            self._share()
        self._report(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._report(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.model.train_function is self.train_function:
            self.model.train_function = None  # Keras makes its own again
        if self._finish:
            self.optimizer.finish()

    def _share(self) -> None:
        self.optimizer.share(self.model.non_trainable_weights)
        for layer in self.model._flatten_layers():
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # it computes with constants, made of its weights

    def _report(self, logs: dict[str, Any] | None) -> None:
        told = self.optimizer.telemetry()
        if logs is None or not told.steps:
            return
        logs["exposed"] = told.exposed_seconds / told.steps
        applied = sum(told.staleness.values())
        if any(told.staleness):
            logs["staleness"] = sum(age * count for age, count in told.staleness.items()) / applied
