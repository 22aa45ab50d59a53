"""Time each layer of a Keras model on its own, eagerly, on the inputs that a forward pass brings to it.

On its own, because neither a graph nor a tape works through branches one after the other: what becomes ready when
says nothing about one layer there. Each operation costs some 10 microseconds of Python, the loss is left out.
"""

from typing import Any

import tensorflow as tf

from suite.models.keras_builder import BEFORE, build, through
from suite.models.layer_times import Clock, Step, Times
from suite.models.layers import BatchNorm, Dropout, Layer
from suite.models.net import Net

Tensor = Any  # tf.Tensor


def steps(net: Net, batch: int, seed: int, clock: Clock) -> tuple[Step, str]:
    """A function that runs one step and returns its times, and words for what it ran on."""
    gpus = tf.config.list_physical_devices("GPU")
    threads = tf.config.threading.get_intra_op_parallelism_threads() or "all"
    model = build(net, seed)
    built = {layer.name: layer for layer in model.layers}
    owner = owners(net)
    first = net.layers[0].path
    random = tf.random.Generator.from_seed(seed)
    if net.inputs == "image":
        x = random.normal((batch, *net.input_shape))
    else:
        x = random.uniform((batch, *net.input_shape), maxval=net.classes, dtype=tf.int32)

    def now() -> float:
        if gpus:
            tf.test.experimental.sync_devices()
        return clock()

    def call(layer: Layer, x: Tensor, path: str) -> Tensor:
        if path + BEFORE in built:
            x = built[path + BEFORE](x)
        # Only these two behave differently in training; the others take no such argument.
        return built[path](x, training=True) if isinstance(layer, BatchNorm | Dropout) else built[path](x)

    def backward_seconds(layer: Layer, x: Tensor, path: str) -> float:
        wanted = [variable.value for variable in built[path].trainable_variables]
        if path != first:
            wanted.append(x)  # nothing flows back beyond the first layer
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            y = call(layer, x, path)
        upstream = tf.ones_like(y)
        begun = now()
        tape.gradient(y, wanted, output_gradients=upstream)
        return now() - begun

    def step() -> Times:
        forward, backward = dict.fromkeys(owner.values(), 0.0), dict.fromkeys(owner.values(), 0.0)
        reached: list[tuple[Layer, Tensor, str]] = []

        def run(layer: Layer, x: Tensor, path: str) -> Tensor:
            reached.append((layer, x, path))
            begun = now()
            y = call(layer, x, path)
            forward[owner[path]] += now() - begun
            return y

        through(net, x, run)
        for one in reversed(reached):
            backward[owner[one[2]]] += backward_seconds(*one)
        return Times(forward, backward)

    return step, f"TensorFlow {tf.__version__} on {f'{len(gpus)} GPU' if gpus else f'CPU, {threads} threads'}"


def owners(net: Net) -> dict[str, str]:
    """For each layer, the layer with parameters that its time is counted with: itself, or the one before it."""
    with_parameters = {parameter.layer for parameter in net.parameters}
    owner = next(placed.path for placed in net.layers if placed.path in with_parameters)
    found = {}
    for placed in net.layers:
        if placed.path in with_parameters:
            owner = placed.path
        found[placed.path] = owner
    return found
