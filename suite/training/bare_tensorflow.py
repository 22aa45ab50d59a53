"""The bare Keras optimizer with the few verbs that wrapped ones have beside it, so that one loop drives both."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from algorithms.tensorflow.update import named_updates


class Bare:
    def __init__(self, optimizer: keras.optimizers.Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def built(self) -> bool:
        return bool(self.optimizer.built)

    @property
    def variables(self) -> Sequence[keras.Variable]:
        held: Sequence[keras.Variable] = self.optimizer.variables
        return held

    @property
    def learning_rate(self) -> Any:
        return self.optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        self.optimizer.learning_rate = rate

    def build(self, variables: Sequence[keras.Variable]) -> None:
        self.optimizer.build(variables)

    def apply(self, gradients: Sequence[Any], variables: Sequence[keras.Variable]) -> None:
        with named_updates(self.optimizer):
            self.optimizer.apply(gradients, variables)

    def finish(self) -> None:
        """Nothing is ever in flight."""

    def evaluation(self) -> AbstractContextManager[object]:
        return nullcontext()

    def watch(self, watcher: object) -> bool:
        return True  # nothing travels
