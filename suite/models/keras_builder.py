"""A described net as a functional Keras 3 model: inputs (batch, height, width, channels), same values as in PyTorch.

PyTorch pads symmetrically and explicitly. Where TensorFlow's "same" pads alike it is used (no copy); elsewhere the
padding is a layer of its own, so that both frameworks see the same numbers.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from suite.models import keras_layers as own
from suite.models.layers import (
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Gelu,
    GlobalAverage,
    Layer,
    LayerNorm,
    Linear,
    LocalResponse,
    Pool,
    Relu,
    pair,
)
from suite.models.layers_pixels import MaskedConv, PixelAnswers
from suite.models.layers_tokens import Attention, ClassToken, Embedding, First, Positions, Tokens
from suite.models.net import Net
from suite.models.structure import Auxiliary, Branches, Chain, Part, Residual, child_name, join

Tensor = Any  # a symbolic tensor of Keras
Run = Callable[[Layer, Tensor, str], Tensor]  # a layer, its input and its path, to its output
Axes = tuple[int, ...]

UNSET = "zeros"  # nothing is drawn, because `build` writes all values
CONVOLUTION, MATRIX = (2, 3, 1, 0), (1, 0)  # axes that turn the described layout of a kernel into Keras's

BEFORE = ".before"  # ends the name of what stands before a layer to give it PyTorch's padding or order


def build(net: Net, seed: int) -> keras.Model:
    """The net with the initial values of this seed. With auxiliary heads the answer is a list, the net's own first."""
    inputs = keras.Input(net.input_shape, dtype=None if net.inputs == "image" else "int32")
    outputs = through(net, inputs, create)
    model = keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=net.name)
    initial = net.initial(seed)
    for name, (variable, axes) in variables(net, model).items():
        variable.assign(np.transpose(initial[name], axes))
    return model


def through(net: Net, x: Tensor, run: Run) -> list[Tensor]:
    """Send x through the description, layer by layer in its order: the net's own output, then the auxiliary ones."""
    beside: list[Tensor] = []
    output = _chain(net.body, x, "", run, beside)
    return [output, *beside]


def variables(net: Net, model: keras.Model) -> dict[str, tuple[keras.Variable, Axes]]:
    """The model's variable for each described parameter, with the axes that turn the described layout into its own."""
    return {
        f"{placed.path}.{name}": (variable, axes)
        for placed in net.layers
        if placed.layer.weights(placed.input)
        for name, variable, axes in _variables(placed.layer, model.get_layer(placed.path))
    }


def described(value: NDArray[np.float32], axes: Axes) -> NDArray[np.float32]:
    """A value in Keras's layout brought back into the description's."""
    return np.transpose(value, np.argsort(axes))


def _variables(layer: Layer, built: keras.layers.Layer) -> Iterator[tuple[str, keras.Variable, Axes]]:
    match layer:
        case Conv() | MaskedConv() | Linear():
            yield "weight", built.kernel, MATRIX if isinstance(layer, Linear) else CONVOLUTION
            if built.bias is not None:
                yield "bias", built.bias, (0,)
        case BatchNorm() | LayerNorm():
            if built.gamma is not None:
                yield "weight", built.gamma, (0,)
            yield "bias", built.beta, (0,)
        case Embedding():
            yield "weight", built.embeddings, (0, 1)
        case ClassToken():
            yield "weight", built.token, (0, 1)
        case Positions():
            yield "weight", built.vectors, (0, 1)
        case Attention():
            yield "qkv.weight", built.qkv_kernel, MATRIX
            yield "qkv.bias", built.qkv_bias, (0,)
            yield "projection.weight", built.projection_kernel, MATRIX
            yield "projection.bias", built.projection_bias, (0,)
        case _:
            raise ValueError(f"no Keras variables for {layer}")


def _chain(chain: Chain, x: Tensor, path: str, run: Run, beside: list[Tensor]) -> Tensor:
    for index, part in enumerate(chain.layers):
        x = _part(part, x, join(path, child_name(part, index)), run, beside)
    return x


def _part(part: Part, x: Tensor, path: str, run: Run, beside: list[Tensor]) -> Tensor:
    def inside(chain: Chain) -> Tensor:
        return _chain(chain, x, join(path, chain.name), run, beside)

    match part:
        case Chain():
            return _chain(part, x, path, run, beside)
        case Branches():
            return keras.ops.concatenate([inside(branch) for branch in part.branches], axis=-1)
        case Residual():
            return inside(part.body) + inside(part.shortcut)
        case Auxiliary():
            beside.append(_chain(part.head, x, path, run, beside))
            return x
        case Layer():
            return run(part, x, path)


def create(layer: Layer, x: Tensor, path: str) -> Tensor:
    """A new Keras layer of that name (and one before it where padding or order ask for it), applied to x."""
    match layer:
        case Conv():
            return _convolved(layer, x, path)
        case Linear():
            return keras.layers.Dense(layer.features, use_bias=layer.bias, kernel_initializer=UNSET, name=path)(x)
        case Pool():
            return _pooled(layer, x, path)
        case GlobalAverage():
            return keras.layers.GlobalAveragePooling2D(name=path)(x)
        case Flatten():
            x = keras.layers.Permute((3, 1, 2), name=f"{path}{BEFORE}")(x)
            return keras.layers.Flatten(name=path)(x)
        case Relu():
            return keras.layers.ReLU(name=path)(x)
        case Gelu():
            return keras.layers.Activation(lambda y: keras.ops.gelu(y, approximate=False), name=path)(x)
        case Dropout():
            return keras.layers.Dropout(layer.rate, name=path)(x)
        case LocalResponse():
            return own.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k, name=path)(x)
        case BatchNorm():
            return own.FusedBatchNorm(layer.epsilon, layer.momentum, layer.scale, name=path)(x)
        case LayerNorm():
            return keras.layers.LayerNormalization(epsilon=layer.epsilon, name=path)(x)
        case Embedding():
            return keras.layers.Embedding(layer.vocabulary, layer.features, UNSET, name=path)(x)
        case Tokens() | PixelAnswers():
            return keras.layers.Reshape(layer.output(x.shape[1:]), name=path)(x)
        case ClassToken():
            return own.ClassToken(name=path)(x)
        case Positions():
            return own.Positions(name=path)(x)
        case First():
            return own.First(name=path)(x)
        case Attention():
            return own.Attention(layer.heads, layer.causal, name=path)(x)
        case MaskedConv():
            mask = np.transpose(layer.mask(x.shape[1:]), CONVOLUTION)
            return own.MaskedConv2D(layer.channels, layer.kernel, mask, name=path)(x)
        case _:
            raise ValueError(f"no Keras layer for {layer}")


def _convolved(layer: Conv, x: Tensor, path: str) -> Tensor:
    rows, columns = pair(layer.padding)
    padding = _as_word(layer, x, ((rows, rows), (columns, columns)))
    if padding is None:
        x = keras.layers.ZeroPadding2D((rows, columns), name=f"{path}{BEFORE}")(x)
    kind = keras.layers.Conv2D if layer.groups == 1 else own.GroupedConv2D
    return kind(
        layer.channels,
        pair(layer.kernel),
        strides=layer.stride,
        padding=padding or "valid",
        groups=layer.groups,
        use_bias=layer.bias,
        kernel_initializer=UNSET,
        name=path,
    )(x)


def _pooled(layer: Pool, x: Tensor, path: str) -> Tensor:
    counts = layer.output(x.shape[1:])[:2]
    sides = [
        (layer.padding, max(0, (count - 1) * layer.stride + layer.kernel - size - layer.padding))
        for count, size in zip(counts, x.shape[1:3], strict=True)
    ]
    padding = _as_word(layer, x, (sides[0], sides[1]))
    if padding is None and layer.kind == "average":
        raise ValueError(f"{path}: an average over padding {sides} that TensorFlow's 'same' does not have")
    if padding is None:
        x = own.PadForMax(sides[0], sides[1], name=f"{path}{BEFORE}")(x)
    kind = keras.layers.MaxPooling2D if layer.kind == "max" else keras.layers.AveragePooling2D
    return kind(layer.kernel, layer.stride, padding or "valid", name=path)(x)


def _as_word(
    layer: Conv | Pool, x: Tensor, sides: tuple[tuple[int, int], tuple[int, int]]
) -> Literal["valid", "same"] | None:
    """TensorFlow's word for this padding (before, after) of rows and columns, if it has one."""
    if sides == ((0, 0), (0, 0)):
        return "valid"
    for size, kernel, side in zip(x.shape[1:3], pair(layer.kernel), sides, strict=True):
        total = max(0, (-(-size // layer.stride) - 1) * layer.stride + kernel - size)
        if side != (total // 2, total - total // 2):
            return None
    return "same"
