"""The layers of PixelCNN (van den Oord et al. 2016): each pixel and colour is told from those before it."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from suite.models.layers import Layer, Shape, Weight, he


@dataclass(frozen=True)
class MaskedConv(Layer):
    """Convolution that sees only earlier pixels and, at its own pixel, earlier colours ("A") or also its own ("B")."""

    name: str
    channels: int
    kernel: int
    kind: Literal["A", "B"]
    colours: int = 3
    deviation: float | None = None

    def output(self, shape: Shape) -> Shape:
        return (*shape[:2], self.channels)

    def kernel_shape(self, shape: Shape) -> Shape:
        return (self.channels, shape[2], self.kernel, self.kernel)

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        kernel = self.kernel_shape(shape)
        seen = max(1.0, float(self.mask(shape).sum()) / self.channels)
        return (Weight("weight", kernel, he(round(seen), self.deviation)), Weight("bias", (self.channels,)))

    def flops(self, shape: Shape) -> int:
        """The masked part is multiplied like the rest."""
        return 2 * math.prod(shape[:2]) * math.prod(self.kernel_shape(shape))

    def mask(self, shape: Shape) -> NDArray[np.float32]:
        """1 where an output channel may look, in the kernel's layout. Channels belong to colours in equal runs."""
        outputs, inputs, rows, columns = self.kernel_shape(shape)
        mask = np.zeros((outputs, inputs, rows, columns), np.float32)
        middle = self.kernel // 2
        mask[:, :, :middle] = 1
        mask[:, :, middle, :middle] = 1
        of_output = (np.arange(outputs) * self.colours // outputs)[:, None]
        of_input = (np.arange(inputs) * self.colours // inputs)[None, :]
        mask[:, :, middle, middle] = of_input < of_output if self.kind == "A" else of_input <= of_output
        return mask


@dataclass(frozen=True)
class PixelAnswers(Layer):
    """Each pixel's channels as one row of values per colour."""

    colours: int

    def output(self, shape: Shape) -> Shape:
        return (shape[0] * shape[1] * self.colours, shape[2] // self.colours)
