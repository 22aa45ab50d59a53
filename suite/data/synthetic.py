"""Images that need no disk and can be learned: one smooth random prototype per class, plus noise.

The task (prototypes, samples, labels) is fixed by its own seed, `task`, so that runs with different seeds repeat one task
instead of comparing several. A rank makes its own samples once, when it opens the data; a batch is an indexing of memory.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from suite.data.contents import Contents
from suite.data.options import Options
from suite.data.sharding import Indices
from suite.data.source import Batch, Split

# A prototype is this many random cells to a side, scaled up: coarse enough to survive pooling and cropping.
_CELLS = 8
# Keeps the samples of all ranks together within this many bytes when `samples` is left open.
_DEFAULT_BYTES = 256 * 2**20
_DEFAULT_SAMPLES = {"train": 2048, "test": 512}
_PROTOTYPES, _SAMPLES = 0, {"train": 1, "test": 2}


class SyntheticOptions(Options):
    samples: Annotated[int, Field(ge=1)] | None = None
    """Samples of all ranks together; by default 2048 (test: 512), fewer where they would need more than 256 MiB."""
    labels: Annotated[int, Field(ge=1)] = 10
    """Distinct labels in use; the head may have more classes than the task."""
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Standard deviation of the noise, in units of the prototypes' own."""
    channels: Annotated[int, Field(ge=1)] = 3
    task: Annotated[int, Field(ge=0)] = 0


class Synthetic:
    skipped = 0

    def __init__(self, *, split: Split, image: int, classes: int, options: SyntheticOptions) -> None:
        self._options = options
        self._split = split
        self._side = image
        self.image_shape = (image, image, options.channels)
        self._labels = min(options.labels, classes)
        samples = options.samples or min(
            _DEFAULT_SAMPLES[split], max(self._labels, _DEFAULT_BYTES // (4 * image * image * options.channels))
        )
        per_class = [
            len(range(label, samples, self._labels)) if label < self._labels else 0 for label in range(classes)
        ]
        self.contents = Contents(
            where=f"synthetic {split}",
            classes=tuple(f"class {number}" for number in range(classes)),
            samples=samples,
            samples_per_class=tuple(per_class),
            digest=f"{options!r} {split} {self.image_shape} {classes}",
            checked="generated",
        )
        self._place: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._images: NDArray[np.float32] = np.zeros((0, *self.image_shape), dtype=np.float32)

    def keep(self, owned: Indices) -> None:
        prototypes = self._prototypes()
        scale = np.float32(1 / np.sqrt(1 + self._options.noise**2))
        images = np.empty((len(owned), *self.image_shape), dtype=np.float32)
        for place, sample in enumerate(owned):
            # Each sample from its own number, so that it is the same whichever rank makes it.
            draw = np.random.default_rng([self._options.task, _SAMPLES[self._split], int(sample)])
            images[place] = draw.standard_normal(self.image_shape, dtype=np.float32)
            images[place] *= np.float32(self._options.noise)
            images[place] += prototypes[int(sample) % self._labels]
            images[place] *= scale
        self._place = np.full(self.contents.samples, -1, dtype=np.int64)
        self._place[owned] = np.arange(len(owned))
        self._images = images

    def read(self, samples: Indices, random: np.random.Generator | None) -> Batch:
        places = self._place[samples]
        if np.any(places < 0):
            raise ValueError(f"sample {int(samples[places < 0][0])} is not among those this rank keeps")
        return self._images[places], samples % self._labels

    def _prototypes(self) -> NDArray[np.float32]:
        draw = np.random.default_rng([self._options.task, _PROTOTYPES])
        channels = self._options.channels
        cells = draw.standard_normal((self._labels, _CELLS, _CELLS, channels), dtype=np.float32)
        images = np.empty((self._labels, *self.image_shape), dtype=np.float32)
        for label in range(self._labels):
            for channel in range(channels):
                small = Image.fromarray(cells[label, :, :, channel])
                grown = small.resize((self._side, self._side), Image.Resampling.BILINEAR)
                images[label, :, :, channel] = np.asarray(grown)
            images[label] -= images[label].mean()
            images[label] /= max(float(images[label].std()), 1e-6)  # a 1-pixel image has no deviation
        return images
