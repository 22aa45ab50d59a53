"""The few layers that Keras 3 lacks, or computes otherwise than PyTorch does."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Tensor = Any  # tf.Tensor, or Keras's symbol of one


class LocalResponseNorm(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, size: int, alpha: float, beta: float, k: float, name: str) -> None:
        super().__init__(name=name)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def call(self, x: Tensor) -> Tensor:
        # TensorFlow multiplies alpha with the sum of the window, PyTorch and Caffe with its mean.
        return tf.nn.local_response_normalization(x, self.size // 2, self.k, self.alpha / self.size, self.beta)


class GroupedConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """One convolution per group. Keras's own goes through XLA, 10 times slower on a CPU; TensorFlow's needs oneDNN."""

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        pieces = zip(tf.split(inputs, self.groups, axis=-1), tf.split(kernel, self.groups, axis=-1), strict=True)
        convolved = [tf.nn.conv2d(image, filters, self.strides, self.padding.upper()) for image, filters in pieces]
        return tf.concat(convolved, axis=-1)


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
        if not training:
            mean, variance = self.moving_mean.value, self.moving_variance.value
            return tf.nn.batch_normalization(x, mean, variance, self.beta.value, gamma, self.epsilon)
        y, mean, variance = self._normalised(x, gamma)
        for running, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(running.value + self.momentum * (batch - running.value))
        return y

    def _normalised(self, x: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x by the statistics of its batch, and these, with the unbiased variance."""
        if x.dtype == tf.float64:  # has no fused operation
            mean, variance = tf.nn.moments(x, list(range(len(x.shape) - 1)))
            y = tf.nn.batch_normalization(x, mean, variance, self.beta.value, gamma, self.epsilon)
            count = tf.cast(tf.size(x) / tf.size(mean), x.dtype)
            return y, mean, variance * count / (count - 1)
        none = tf.zeros([0])
        fused = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=gamma, offset=self.beta.value, mean=none, variance=none, epsilon=self.epsilon, is_training=True
        )
        return fused.y, fused.batch_mean, fused.batch_variance


class MaskedConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """`mask` in Keras's layout of the kernel."""

    def __init__(self, channels: int, kernel: int, mask: NDArray[np.float32], name: str) -> None:
        super().__init__(channels, kernel, padding="same", name=name)
        self.mask = mask

    def call(self, x: Tensor) -> Tensor:
        return tf.nn.conv2d(x, self.kernel.value * self.mask, 1, "SAME") + self.bias.value


class ClassToken(keras.layers.Layer):  # type: ignore[misc]
    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.token = self.add_weight(shape=(1, input_shape[-1]), name="token")

    def call(self, x: Tensor) -> Tensor:
        token = tf.broadcast_to(self.token.value, (tf.shape(x)[0], 1, x.shape[-1]))
        return tf.concat([token, x], axis=1)


class Positions(keras.layers.Layer):  # type: ignore[misc]
    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.vectors = self.add_weight(shape=input_shape[1:], name="vectors")

    def call(self, x: Tensor) -> Tensor:
        return x + self.vectors.value


class First(keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Tensor) -> Tensor:
        return x[:, 0]


def features_of(shape: tuple[int | None, ...]) -> tuple[int, int]:
    """Positions and features of tokens, both of which must be known."""
    _, positions, features = shape
    if positions is None or features is None:
        raise ValueError(f"tokens of shape {shape} have no fixed positions and features")
    return positions, features


class Attention(keras.layers.Layer):  # type: ignore[misc]
    """Self-attention with one matrix for queries, keys and values, as in the PyTorch twin."""

    def __init__(self, heads: int, causal: bool, name: str) -> None:
        super().__init__(name=name)
        self.heads, self.causal = heads, causal

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.positions, self.features = features_of(input_shape)
        features = self.features
        self.qkv_kernel = self.add_weight(shape=(features, 3 * features), name="qkv_kernel")
        self.qkv_bias = self.add_weight(shape=(3 * features,), name="qkv_bias")
        self.projection_kernel = self.add_weight(shape=(features, features), name="projection_kernel")
        self.projection_bias = self.add_weight(shape=(features,), name="projection_bias")

    def call(self, x: Tensor) -> Tensor:
        positions, features, inner = self.positions, self.features, self.features // self.heads
        flat = tf.reshape(x, (-1, features))
        qkv = tf.matmul(flat, self.qkv_kernel.value) + self.qkv_bias.value
        split = tf.transpose(tf.reshape(qkv, (-1, positions, 3, self.heads, inner)), (2, 0, 3, 1, 4))
        scores = tf.matmul(split[0], split[1], transpose_b=True) * inner**-0.5
        if self.causal:
            later = np.triu(np.full((positions, positions), -np.inf, np.float32), k=1)
            scores = scores + later
        seen = tf.transpose(tf.matmul(tf.nn.softmax(scores), split[2]), (0, 2, 1, 3))
        answer = tf.matmul(tf.reshape(seen, (-1, features)), self.projection_kernel.value) + self.projection_bias.value
        return tf.reshape(answer, (-1, positions, features))
