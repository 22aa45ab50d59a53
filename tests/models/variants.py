"""Reduced variants of every net, and both frameworks' answers to one batch."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch

from suite.models import Net, describe, keras_builder, torch_builder

SMALL = {"image": 32, "width": 0.1, "classes": 10}
PLAIN = [  # without batch normalisation
    ("tiny-cnn", {}),
    ("lenet", {}),
    ("lenet", {"image": 8}),
    ("alexnet", {**SMALL, "dropout": 0.0}),
    ("alexnet", {"image": 96, "width": 0.1, "classes": 10, "dropout": 0.0}),
    ("alexnet-caffe", {**SMALL, "dropout": 0.0}),
    ("alexnet-caffe", {"image": 99, "width": 0.1, "classes": 10, "dropout": 0.0}),
    ("googlenet", {**SMALL, "dropout": 0.0}),
    ("googlenet", {"image": 112, "width": 0.1, "classes": 10, "dropout": 0.0, "auxiliary": True}),
    ("cifarnet", {"width": 0.2, "dropout": 0.0}),
    ("elastic-imagenet", {**SMALL, "dropout": 0.0}),
    ("elastic-imagenet", {"image": 110, "width": 0.1, "classes": 10, "dropout": 0.0}),
    ("vgg-16", {**SMALL, "dropout": 0.0}),
    ("pixelcnn", {"image": 8, "width": 0.1, "classes": 10}),
    ("pixelcnn", {"image": 8, "width": 0.1, "classes": 10, "channels": 1, "blocks": 2}),
    ("vit", {"image": 16, "width": 0.1, "classes": 10, "layers": 3}),
    ("gpt-small", {"length": 16, "width": 0.1, "classes": 20, "layers": 3, "dropout": 0.0}),
]
NORMALISED = [
    ("inception-v3", {**SMALL, "image": 36, "dropout": 0.0, "auxiliary": True}),
    ("resnet-50", SMALL),
    ("resnet-50", {"image": 75, "width": 0.1, "classes": 10}),
]


@dataclass
class Answers:
    """Outputs, and gradients by parameter name in the description's layout, of a weighted sum of all outputs."""

    outputs: list[np.ndarray]
    gradients: dict[str, np.ndarray]


def batch_for(net: Net, samples: int = 3, dtype: str = "float32") -> np.ndarray:
    random = np.random.default_rng(0)
    if net.inputs == "tokens":
        return random.integers(0, net.classes, (samples, *net.input_shape))
    return random.standard_normal((samples, *net.input_shape)).astype(dtype)


def to_torch(net: Net, x: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(x)
    return tensor.permute(0, 3, 1, 2) if net.inputs == "image" else tensor


def weights_for(outputs: list[np.ndarray]) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.standard_normal(output.shape).astype(output.dtype) for output in outputs]


def torch_answers(net: Net, x: np.ndarray, training: bool, double: bool = False) -> Answers:
    torch.set_num_threads(1)
    model = torch_builder.build(net, seed=1).train(training)
    model = model.double() if double else model
    answer = model(to_torch(net, x))
    outputs = list(answer) if isinstance(answer, tuple) else [answer]
    values = [output.detach().numpy() for output in outputs]
    loss = sum(
        (output * torch.from_numpy(weight)).sum() for output, weight in zip(outputs, weights_for(values), strict=True)
    )
    loss.backward()
    return Answers(values, {name: parameter.grad.numpy() for name, parameter in model.named_parameters()})


def keras_answers(net: Net, x: np.ndarray, training: bool) -> Answers:
    model = keras_builder.build(net, seed=1)
    variables = keras_builder.variables(net, model)
    with tf.GradientTape() as tape:
        answer = model(x, training=training)
        outputs = list(answer) if isinstance(answer, list | tuple) else [answer]
        values = [output.numpy() for output in outputs]
        loss = tf.add_n(
            [tf.reduce_sum(output * weight) for output, weight in zip(outputs, weights_for(values), strict=True)]
        )
    gradients = tape.gradient(loss, [variable.value for variable, _ in variables.values()])
    return Answers(
        values,
        {
            name: keras_builder.described(tf.convert_to_tensor(gradient).numpy(), axes)
            for (name, (_, axes)), gradient in zip(variables.items(), gradients, strict=True)
        },
    )


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference, as a share of the largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def compare(name: str, options: dict[str, Any], training: bool, double: bool = False) -> tuple[float, float]:
    """How far apart the frameworks' outputs and gradients are, at worst."""
    net = describe(name, **options)
    _set_precision("float64" if double else "float32")
    try:
        x = batch_for(net, dtype="float64" if double else "float32")
        ours, theirs = torch_answers(net, x, training, double), keras_answers(net, x, training)
    finally:
        _set_precision("float32")
    assert list(ours.gradients) == list(theirs.gradients)
    outputs = max(apart(one, other) for one, other in zip(ours.outputs, theirs.outputs, strict=True))
    return outputs, max(apart(value, theirs.gradients[name]) for name, value in ours.gradients.items())


def _set_precision(name: str) -> None:
    keras.config.set_floatx(name)  # of inputs
    keras.config.set_dtype_policy(name)  # of layers
