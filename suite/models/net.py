"""A net as data, and everything that can be known about it without a framework."""

import math
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from suite.models.layers import Shape, Weight
from suite.models.structure import Chain, Placed, auxiliaries, walk

FLOAT_BYTES = 4  # every net here is float32


@dataclass(frozen=True)
class Parameter:
    """A trainable tensor, in PyTorch's layout and under PyTorch's name."""

    name: str
    shape: Shape
    layer: str
    weight: Weight

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Net:
    """A described net. The answer to one sample is `classes` values, or one such row per position."""

    name: str
    input_shape: Shape
    classes: int
    body: Chain
    inputs: Literal["image", "tokens"] = "image"

    def __post_init__(self) -> None:
        if self.output_shape[-1] != self.classes:
            raise ValueError(f"{self.name} ends in {self.output_shape}, not in {self.classes} classes")

    @cached_property
    def _walked(self) -> tuple[list[Placed], Shape]:
        try:
            return walk(self.body, self.input_shape, "")
        except ValueError as error:
            raise ValueError(f"{self.name} for inputs of {self.input_shape}: {error}") from None

    @property
    def layers(self) -> tuple[Placed, ...]:
        """Every layer in the order in which it runs, with its path and its shapes."""
        return tuple(self._walked[0])

    @property
    def output_shape(self) -> Shape:
        return self._walked[1]

    @property
    def answers(self) -> Literal["classes", "pixels", "tokens"]:
        """What the net is asked about a sample: its class, or what follows at every place of it."""
        if self.inputs == "tokens":
            return "tokens"
        return "classes" if len(self.output_shape) == 1 else "pixels"

    @property
    def head_weights(self) -> tuple[float, ...]:
        """What each output counts in the loss: 1 for the net's own, then those of its auxiliary heads."""
        return (1.0, *(head.weight for head in auxiliaries(self.body)))

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """In the order in which the forward pass uses them."""
        return tuple(
            Parameter(f"{placed.path}.{weight.name}", weight.shape, placed.path, weight)
            for placed in self.layers
            for weight in placed.layer.weights(placed.input)
        )

    @property
    def parameter_count(self) -> int:
        return sum(parameter.size for parameter in self.parameters)

    @property
    def flops(self) -> int:
        """Forward operations for one sample, matrix products and convolutions only (2 per multiply-add)."""
        return sum(placed.layer.flops(placed.input) for placed in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Bytes of all layer outputs for one sample: an upper bound of what backward needs kept."""
        return sum(math.prod(placed.output) * FLOAT_BYTES for placed in self.layers)

    @property
    def gradient_sizes(self) -> tuple[int, ...]:
        """Bytes of each gradient, in the order in which backward makes them ready."""
        return tuple(parameter.size * FLOAT_BYTES for parameter in reversed(self.parameters))

    def initial(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """Initial values by parameter name. A value depends on the seed and the name alone."""
        values = {}
        for parameter in self.parameters:
            value = np.full(parameter.shape, parameter.weight.mean, np.float32)
            if parameter.weight.deviation:
                random = np.random.default_rng([seed, zlib.crc32(parameter.name.encode())])
                noise = random.standard_normal(parameter.shape, dtype=np.float32)
                value += np.float32(parameter.weight.deviation) * noise
            values[parameter.name] = value
        return values
