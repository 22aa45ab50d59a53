"""The training step in TensorFlow with Keras 3 models: a tape and `optimizer.apply` inside one traced function.

Several steps may be unrolled in one function (`steps_per_call`): the runtime then overlaps what one step still has to
exchange with what the next already computes.

Where the learning rate moves, Keras's SGD with momentum is not torch's: its velocity keeps each gradient times the rate of
its time (as Caffe's did), torch multiplies the whole velocity by the rate of the step. With a constant rate they agree.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from suite.data import Batch
from suite.training import tensorflow_checkpoint
from suite.training.evaluation import NOTHING, Evaluation, count, merged
from suite.training.learning_rates import Rule
from suite.training.session import check_call

_STAND_INS = 2
Tensor = Any


class TensorflowOptimizer(Protocol):
    """What the loop asks of an optimizer; algorithms' wrappers have it, `bare_tensorflow.Bare` gives it to any other."""

    learning_rate: Any

    @property
    def built(self) -> bool: ...
    @property
    def variables(self) -> Sequence[Any]: ...
    def build(self, variables: Sequence[Any], /) -> object: ...
    def apply(self, gradients: Sequence[Any], variables: Sequence[Any], /) -> object: ...
    def evaluation(self) -> AbstractContextManager[object]: ...


class TensorflowSession:
    framework = "tensorflow"

    def __init__(
        self,
        model: keras.Model,
        optimizer: TensorflowOptimizer,
        *,
        head_weights: Sequence[float] = (1.0,),
        learning_rate: Rule | None = None,
        steps_per_call: int = 1,
        barrier: Callable[[], object] = lambda: None,
    ) -> None:
        """`head_weights`: what each of the model's outputs counts in the loss (`Net.head_weights`).

        `barrier` returns when the devices have done all that they were given; a call is over then, and not before.
        """
        if steps_per_call < 1:
            raise ValueError(f"steps_per_call = {steps_per_call}: at least 1")
        self.steps_taken = 0
        self.steps_per_call = steps_per_call
        self._model = model
        self._optimizer = optimizer
        self._head_weights = tuple(head_weights)
        self._learning_rate = learning_rate
        self._barrier = barrier
        self._traced: dict[tuple[int, tuple[bool, ...]], Any] = {}  # by steps, and which of them have no sample
        self._forward: Any = None
        if not optimizer.built:
            optimizer.build(model.trainable_variables)  # variables cannot be made inside a traced function

    def steps(self, batches: Sequence[Batch], weights: Sequence[float] | None = None) -> list[float | None]:
        counted = check_call(batches, weights)
        empty = tuple(not len(labels) for _, labels in batches)
        if not any(empty):
            return self._call(batches, counted)
        # Rare: the last batch of an epoch on a rank that ran out of samples. The others take all steps in one function,
        # whose exchanges have other names and another order than those of single steps: so does this one.
        filled = [_stand_in(batch) if nothing else batch for batch, nothing in zip(batches, empty, strict=True)]
        weights = [0.0 if nothing else weight for weight, nothing in zip(counted, empty, strict=True)]
        losses = self._step_of_nothing(filled) if len(batches) == 1 else self._call(filled, weights, empty)
        return [None if nothing else loss for loss, nothing in zip(losses, empty, strict=True)]

    def evaluate(self, batches: Iterable[Batch]) -> Evaluation:
        with self._optimizer.evaluation():
            parts = [count(self._logits(images), labels) for images, labels in batches if len(labels)]
        return merged(parts) if parts else NOTHING

    def parameters(self) -> dict[str, NDArray[np.float32]]:
        return {variable.path: np.array(variable.numpy()) for variable in self._model.trainable_variables}

    def save(self, path: Path) -> None:
        tensorflow_checkpoint.save(path, self._model.variables, self._optimizer.variables, self.steps_taken)

    def load(self, path: Path) -> None:
        self.steps_taken = tensorflow_checkpoint.load(path, self._model.variables, self._optimizer.variables)

    def _call(
        self, batches: Sequence[Batch], weights: Sequence[float], empty: tuple[bool, ...] = ()
    ) -> list[float | None]:
        """`empty`: which steps are to leave no trace in what is not trained; none where nothing is said."""
        rates = [
            0.0 if self._learning_rate is None else self._learning_rate.at(self.steps_taken + number)
            for number in range(len(batches))
        ]
        losses = self._trace(batches, empty)(
            [tf.convert_to_tensor(images) for images, _ in batches],
            [tf.convert_to_tensor(labels) for _, labels in batches],
            tf.constant(weights, tf.float32),
            tf.constant(rates, tf.float32),
        ).numpy()  # on a CPU, waits for all updates: the function is not over before its last assignment
        self._barrier()
        self.steps_taken += len(batches)
        return [float(loss) for loss in losses]

    def _trace(self, batches: Sequence[Batch], empty: tuple[bool, ...]) -> Any:
        steps = len(batches)
        if (steps, empty) not in self._traced:
            images, labels = batches[0]
            self._traced[steps, empty] = tf.function(
                partial(self._unrolled, empty or (False,) * steps),
                autograph=False,
                # The batch dimension stays open: the short last batch of an epoch is no reason to trace again.
                input_signature=[
                    [tf.TensorSpec((None, *images.shape[1:]), images.dtype)] * steps,
                    [tf.TensorSpec((None, *labels.shape[1:]), labels.dtype)] * steps,
                    tf.TensorSpec((steps,), tf.float32),
                    tf.TensorSpec((steps,), tf.float32),
                ],
            )
        return self._traced[steps, empty]

    def _unrolled(
        self, empty: tuple[bool, ...], images: list[Tensor], labels: list[Tensor], weights: Tensor, rates: Tensor
    ) -> Tensor:
        losses = []
        for number, nothing in enumerate(empty):
            statistics = self._model.non_trainable_variables if nothing else []
            held = [variable.value.read_value() for variable in statistics]
            if self._learning_rate is not None:
                self._optimizer.learning_rate = rates[number]
            variables = self._model.trainable_variables
            with tf.GradientTape() as tape:
                loss = self._loss(self._outputs(images[number]), labels[number])
                counted = loss * weights[number]
            self._optimizer.apply(tape.gradient(counted, variables), variables)
            for variable, value in zip(statistics, held, strict=True):
                variable.assign(value)
            losses.append(loss)
        return tf.stack(losses)

    def _outputs(self, images: Tensor) -> list[Tensor]:
        answer = self._model(images, training=True)
        outputs = list(answer) if isinstance(answer, list | tuple) else [answer]
        if len(outputs) != len(self._head_weights):
            raise ValueError(
                f"the model has {len(outputs)} outputs and head_weights {self._head_weights}: one for each"
            )
        return outputs

    def _loss(self, outputs: list[Tensor], labels: Tensor) -> Tensor:
        """Cross-entropy of every head, for one answer per sample or one per position; plus the model's own penalties."""
        total = tf.add_n(self._model.losses) if self._model.losses else tf.zeros(())
        for output, weight in zip(outputs, self._head_weights, strict=True):
            per_answer = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, output)
            total += weight * tf.reduce_mean(per_answer)
        return total

    def _logits(self, images: NDArray[Any]) -> NDArray[np.float32]:
        if self._forward is None:
            self._forward = tf.function(
                lambda inputs: self._model(inputs, training=False),
                autograph=False,
                input_signature=[tf.TensorSpec((None, *images.shape[1:]), images.dtype)],
            )
        answer = self._forward(tf.convert_to_tensor(images))
        logits: NDArray[np.float32] = (answer[0] if isinstance(answer, list | tuple) else answer).numpy()
        return logits

    def _step_of_nothing(self, stand_in: Sequence[Batch]) -> list[float | None]:
        """Zero gradients through the traced function of every single step, which the others are in."""
        statistics = [(variable, variable.numpy()) for variable in self._model.non_trainable_variables]
        losses = self._call(stand_in, [0.0])
        for variable, value in statistics:
            variable.assign(value)
        return losses


def _stand_in(batch: Batch) -> Batch:
    images, labels = batch
    return (
        np.zeros((_STAND_INS, *images.shape[1:]), images.dtype),
        np.zeros((_STAND_INS, *labels.shape[1:]), labels.dtype),
    )
