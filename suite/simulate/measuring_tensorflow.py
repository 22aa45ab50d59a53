"""A step of somebody's Keras model on TensorFlow: forward and backward as a whole, shared out over its layers by size."""

from __future__ import annotations

import math
import time
from typing import Any

import tensorflow as tf

from suite.models.layer_times import Times
from suite.simulate.measuring import Step


def steps(model: Any, batch: Any) -> Step:
    """A function that runs a step, the shapes of each layer's parameters, samples, and what it ran on."""
    x = tf.random.normal(batch) if isinstance(batch, tuple) else tf.convert_to_tensor(batch)
    model(x)  # builds what has not been built
    variables = list(model.trainable_variables)
    if not variables:
        raise ValueError(f"{type(model).__name__} has no parameters: nothing would travel")
    layers: dict[str, list[tuple[int, ...]]] = {}
    for variable in variables:
        layer = str(variable.path).rpartition("/")[0]
        layers.setdefault(layer, []).append(tuple(int(side) for side in variable.shape) or (1,))
    forward = tf.function(lambda value: tf.reduce_mean(tf.nest.flatten(model(value, training=True))[0]))

    @tf.function  # type: ignore[untyped-decorator]
    def whole(value: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nest.flatten(model(value, training=True))[0])
        return tape.gradient(loss, variables)

    def took(function: Any) -> float:
        begun = time.perf_counter()
        for tensor in tf.nest.flatten(function(x)):
            tensor.numpy() if not isinstance(tensor, tf.IndexedSlices) else tensor.values.numpy()
        return time.perf_counter() - begun

    # Every layer counts alike: what its operations cost is not seen from outside of a traced function.
    share = 1 / len(layers)

    def step() -> Times:
        ahead = took(forward)
        back = max(0.0, took(whole) - ahead)
        return Times(dict.fromkeys(layers, ahead * share), dict.fromkeys(layers, back * share))

    where = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    shapes = {name: tuple(found) for name, found in layers.items()}
    assert all(math.prod(one) for found in shapes.values() for one in found)
    return step, shapes, int(x.shape[0]), f"TensorFlow {tf.__version__} on {where}, layers alike"
