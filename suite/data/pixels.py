"""Images whose answer is themselves: for nets that predict every colour of every pixel (PixelCNN).

The inputs stay what they are, in [0, 1]; the label of each value is its level, in the order of rows, columns, colours.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from suite.data.contents import Contents
from suite.data.sharding import Indices
from suite.data.source import Batch, DataSet

LEVELS = 256


@dataclass(frozen=True)
class Pixels:
    """Another data set of images, answered by pixels."""

    inner: DataSet
    levels: int
    centred: bool
    """The inner images have mean 0 and deviation 1; six deviations are brought into [0, 1], the rest is cut off."""

    @property
    def contents(self) -> Contents:
        return replace(
            self.inner.contents, classes=tuple(f"level {level}" for level in range(self.levels)), samples_per_class=()
        )

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self.inner.image_shape

    @property
    def skipped(self) -> int:
        return self.inner.skipped

    def keep(self, owned: Indices) -> None:
        self.inner.keep(owned)

    def read(self, samples: Indices, random: np.random.Generator | None) -> Batch:
        images, _ = self.inner.read(samples, random)
        if self.centred:
            images = np.clip(np.float32(0.5) + images / np.float32(6), 0, 1)
        # byte/255 becomes that byte again at 256 levels: 255 alone would be one too many.
        levels = np.minimum((images * self.levels).astype(np.int64), self.levels - 1)
        return images, levels.reshape(len(images), math.prod(self.image_shape))
