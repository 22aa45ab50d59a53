"""A recorded net in Keras whose layers sleep instead of computing: parameters and gradients have their real sizes.

A sleep holds one of TensorFlow's inter-op threads. With fewer than 3 of them (tf.config.threading) sleeping layers keep
the exchange from starting, and what is measured is the thread pool.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from suite.models.profile import LayerProfile, Profile
from suite.models.replayed import DECAY, SIGNAL_VALUES, answer, initial
from suite.models.slept import DEVICE, SleptDevice

Tensor = Any  # tf.Tensor, or Keras's symbol of one


class ReplayedLayer(keras.layers.Layer):  # type: ignore[misc]
    """Sleeps for the recorded time, forward and backward; the gradients are ready when the backward sleep ends."""

    def __init__(self, profile: LayerProfile, device: SleptDevice) -> None:
        super().__init__(name=profile.name)
        self.profile = profile
        self.device = device
        self.supports_jit = False  # XLA cannot call back into Python

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.replayed = [
            self.add_weight(shape=shape, name=name, initializer=lambda shape, dtype: tf.constant(initial(tuple(shape))))
            for name, shape in self.profile.parameters
        ]

    def call(self, signal: Tensor) -> Tensor:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def replay(signal: Tensor, *parameters: Tensor) -> tuple[Tensor, Any]:
            behind = f"gradient_tape/{tf.get_current_name_scope()}/"  # where gradients of real layers stand
            with tf.control_dependencies(parameters):  # a forward pass starts when its parameters are up to date
                passed = self._sleep(self._arrival(signal), signal, self.profile.forward_seconds)

            def backward(upstream: Tensor) -> tuple[Tensor, ...]:
                arrived = self._arrival(upstream)
                total = tf.reduce_sum(upstream)
                with tf.control_dependencies([arrived]):
                    gradients = [total + DECAY * parameter for parameter in parameters]
                with tf.control_dependencies(gradients), tf.name_scope(behind):
                    down = self._sleep(arrived, upstream, self.profile.backward_seconds)
                with tf.control_dependencies([down]):
                    return down, *(tf.identity(gradient) for gradient in gradients)

            return passed, backward

        return replay(signal, *(tf.convert_to_tensor(variable.value) for variable in self.replayed))

    def _arrival(self, signal: Tensor) -> Tensor:
        """The time at which `signal` was there."""
        now = tf.numpy_function(lambda _: np.float64(self.device.clock()), [signal], tf.float64)
        now.set_shape(())
        return now

    def _sleep(self, arrived: Tensor, signal: Tensor, seconds: float) -> Tensor:
        """`signal`, once the layer that arrived then is done."""

        def sleep(arrived: np.float64, signal: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            self.device.run(float(arrived), seconds)
            return signal

        passed = tf.numpy_function(sleep, [arrived, signal], signal.dtype)
        passed.set_shape(signal.shape)
        return passed


class Signal(keras.layers.Layer):  # type: ignore[misc]
    """One number per sample."""

    def call(self, x: Tensor) -> Tensor:
        flat = tf.reshape(x, (tf.shape(x)[0], -1))
        return tf.reduce_mean(tf.cast(flat[:, :SIGNAL_VALUES], tf.float32), axis=1)


class Answer(keras.layers.Layer):  # type: ignore[misc]
    """(batch, classes) values from one number per sample."""

    def __init__(self, classes: int) -> None:
        super().__init__(name="answer")
        self.direction = answer(classes)

    def call(self, signal: Tensor) -> Tensor:
        return signal[:, None] * self.direction


def build(profile: Profile, device: SleptDevice = DEVICE) -> keras.Model:
    """The replayed net of this profile."""
    inputs = keras.Input(profile.input_shape, dtype=None if profile.inputs == "image" else "int32")
    signal = Signal(name="signal")(inputs)
    for layer in profile.layers:
        signal = ReplayedLayer(layer, device)(signal)
    return keras.Model(inputs, Answer(profile.classes)(signal), name=f"replayed-{profile.model}")
