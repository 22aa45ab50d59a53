"""The layers that change what flows through a net without branching: what a description is written in.

A layer is data. It answers three questions about one sample: which shape comes out, which weights it owns, and
how many floating-point operations its forward pass takes. Shapes have no batch axis; images are (height, width,
channels), tokens (positions, features). Weights are written in PyTorch's layout (output channels first).
"""

import math
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
Pair = int | tuple[int, int]


def pair(value: Pair) -> tuple[int, int]:
    """Height and width of a window given as one number or as two."""
    return (value, value) if isinstance(value, int) else value


@dataclass(frozen=True)
class Weight:
    """One trainable tensor of a layer; initial values are normal with this mean and deviation (0: constant)."""

    name: str
    shape: Shape
    deviation: float = 0.0
    mean: float = 0.0


class Layer:
    """Defaults of a layer without weights that keeps the shape and costs nothing worth counting."""

    def output(self, shape: Shape) -> Shape:
        return shape

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        return ()

    def flops(self, shape: Shape) -> int:
        """Forward operations of matrix products and convolutions, 2 per multiply-add; everything else counts 0."""
        return 0


def he(fan_in: int, deviation: float | None) -> float:
    """Deviation of the initial weights: the stated one, else He et al. (2015), right before a ReLU."""
    return math.sqrt(2.0 / fan_in) if deviation is None else deviation


def windows(size: int, kernel: int, stride: int, padding: int, ceil: bool = False) -> int:
    """How many windows fit along one side. `ceil` is Caffe's rule: a last window may hang over the edge."""
    span = size + 2 * padding - kernel
    if span < 0:
        raise ValueError(f"a side of {size} (padding {padding}) is smaller than a window of {kernel}")
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + padding:  # a window that starts outside the image is none
        count -= 1
    return count


@dataclass(frozen=True)
class Conv(Layer):
    name: str
    channels: int
    kernel: Pair
    stride: int = 1
    padding: Pair = 0
    groups: int = 1
    bias: bool = True
    deviation: float | None = None
    bias_value: float = 0.0

    def output(self, shape: Shape) -> Shape:
        sides = zip(shape[:2], pair(self.kernel), pair(self.padding), strict=True)
        height, width = (windows(size, kernel, self.stride, padding) for size, kernel, padding in sides)
        return (height, width, self.channels)

    def kernel_shape(self, shape: Shape) -> Shape:
        if shape[2] % self.groups or self.channels % self.groups:
            raise ValueError(f"{shape[2]} to {self.channels} channels cannot be split into {self.groups} groups")
        return (self.channels, shape[2] // self.groups, *pair(self.kernel))

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        kernel = self.kernel_shape(shape)
        weight = Weight("weight", kernel, he(math.prod(kernel[1:]), self.deviation))
        return (weight, Weight("bias", (self.channels,), mean=self.bias_value)) if self.bias else (weight,)

    def flops(self, shape: Shape) -> int:
        return 2 * math.prod(self.output(shape)[:2]) * math.prod(self.kernel_shape(shape))


@dataclass(frozen=True)
class Linear(Layer):
    """Matrix product over the last axis."""

    name: str
    features: int
    bias: bool = True
    deviation: float | None = None
    bias_value: float = 0.0

    def output(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.features)

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        weight = Weight("weight", (self.features, shape[-1]), he(shape[-1], self.deviation))
        return (weight, Weight("bias", (self.features,), mean=self.bias_value)) if self.bias else (weight,)

    def flops(self, shape: Shape) -> int:
        return 2 * math.prod(shape) * self.features


@dataclass(frozen=True)
class Pool(Layer):
    """Largest or average value of each window; padding never takes part in either."""

    kind: Literal["max", "average"]
    kernel: int
    stride: int
    padding: int = 0
    ceil: bool = False

    def output(self, shape: Shape) -> Shape:
        height, width = (windows(size, self.kernel, self.stride, self.padding, self.ceil) for size in shape[:2])
        return (height, width, shape[2])


@dataclass(frozen=True)
class GlobalAverage(Layer):
    """Mean over all positions of an image."""

    def output(self, shape: Shape) -> Shape:
        return shape[-1:]


@dataclass(frozen=True)
class Flatten(Layer):
    """All values of an image as one vector, channel by channel (PyTorch's order)."""

    def output(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


@dataclass(frozen=True)
class Relu(Layer):
    pass


@dataclass(frozen=True)
class Gelu(Layer):
    """The exact form, by the error function."""


@dataclass(frozen=True)
class Dropout(Layer):
    rate: float

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"dropout rate {self.rate} is outside [0, 1)")


@dataclass(frozen=True)
class LocalResponse(Layer):
    """Normalisation across neighbouring channels (Krizhevsky et al. 2012), with Caffe's alpha / size."""

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0


@dataclass(frozen=True)
class BatchNorm(Layer):
    """`momentum` is the share of the new batch in the running statistics (PyTorch's meaning, 1 - Keras's)."""

    name: str
    epsilon: float = 1e-5
    momentum: float = 0.1
    scale: bool = True

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        gain = (Weight("weight", shape[-1:], mean=1.0),) if self.scale else ()
        return (*gain, Weight("bias", shape[-1:]))


@dataclass(frozen=True)
class LayerNorm(Layer):
    name: str
    epsilon: float = 1e-5

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        return (Weight("weight", shape[-1:], mean=1.0), Weight("bias", shape[-1:]))
