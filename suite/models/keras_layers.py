"""The few layers that Keras 3 lacks, or computes otherwise than PyTorch does."""

from typing import Any

import keras
import tensorflow as tf

Tensor = Any  # tf.Tensor, or Keras's symbol of one


class LocalResponseNorm(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, size: int, alpha: float, beta: float, k: float, name: str) -> None:
        super().__init__(name=name)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def call(self, x: Tensor) -> Tensor:
        # TensorFlow multiplies alpha with the sum of the window, PyTorch and Caffe with its mean.
        return tf.nn.local_response_normalization(x, self.size // 2, self.k, self.alpha / self.size, self.beta)


class PadForMax(keras.layers.Layer):  # type: ignore[misc]
    """Padding that no maximum can see."""

    def __init__(self, rows: tuple[int, int], columns: tuple[int, int], name: str) -> None:
        super().__init__(name=name)
        self.paddings = ((0, 0), rows, columns, (0, 0))

    def call(self, x: Tensor) -> Tensor:
        return tf.pad(x, self.paddings, constant_values=float("-inf"))


class FusedBatchNorm(keras.layers.Layer):  # type: ignore[misc]
    """Batch normalisation whose running variance is the unbiased one, as in PyTorch; Keras's own keeps the biased."""

    def __init__(self, epsilon: float, momentum: float, scale: bool, name: str) -> None:
        super().__init__(name=name)
        self.epsilon, self.momentum, self.scale = epsilon, momentum, scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        def vector(name: str, initial: str, trainable: bool) -> Any:
            return self.add_weight(shape=input_shape[-1:], initializer=initial, trainable=trainable, name=name)

        self.gamma = vector("gamma", "ones", True) if self.scale else None
        self.beta = vector("beta", "zeros", True)
        self.moving_mean = vector("moving_mean", "zeros", False)
        self.moving_variance = vector("moving_variance", "ones", False)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        gamma = tf.ones_like(self.beta.value) if self.gamma is None else self.gamma.value
        running = {} if training else {"mean": self.moving_mean.value, "variance": self.moving_variance.value}
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=gamma,
            offset=self.beta.value,
            mean=running.get("mean", tf.zeros([0])),
            variance=running.get("variance", tf.zeros([0])),
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            self.moving_mean.assign(self.moving_mean.value + self.momentum * (mean - self.moving_mean.value))
            step = self.momentum * (variance - self.moving_variance.value)
            self.moving_variance.assign(self.moving_variance.value + step)
        return y
