"""The real handwritten digits inside scikit-learn: 1797 grey images of 8x8, ten classes, no download.

Which samples are for testing is fixed (a stratified fifth, drawn once with its own seed), whatever the run's seed:
accuracies of different runs are accuracies on the same 360 digits.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI machine learning repository.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from suite.data.contents import Contents, digest
from suite.data.options import Options
from suite.data.sharding import Indices
from suite.data.source import Batch, Split

CLASSES = 10
SIDE = 8
_BRIGHTEST = 16  # the values are counts of set pixels in 4x4 blocks
_TEST_SHARE = 0.2
_SPLIT_SEED = 0


class DigitsOptions(Options):
    channels: Annotated[int, Field(ge=1)] = 1
    """The grey value repeated, for nets that take colour."""


class Digits:
    skipped = 0

    def __init__(self, *, split: Split, image: int, options: DigitsOptions) -> None:
        # Two seconds to import, which every rank of every run would wait for.
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        self.image_shape = (image, image, options.channels)
        data = load_digits()
        numbers = np.arange(len(data.target))
        train, test = train_test_split(
            numbers, test_size=_TEST_SHARE, random_state=_SPLIT_SEED, stratify=data.target, shuffle=True
        )
        chosen = np.sort(train if split == "train" else test)
        self._labels: NDArray[np.int64] = data.target[chosen].astype(np.int64)
        grey = np.stack([_scaled(data.images[number], image) for number in chosen])
        self._images = np.repeat(grey[..., np.newaxis], options.channels, axis=3)
        self.contents = Contents(
            where=f"scikit-learn's digits, {split}",
            classes=tuple(str(digit) for digit in range(CLASSES)),
            samples=len(chosen),
            samples_per_class=tuple(int(count) for count in np.bincount(self._labels, minlength=CLASSES)),
            digest=digest(f"{number} {label}" for number, label in zip(chosen, self._labels, strict=True)),
            checked="shipped with scikit-learn",
        )

    def keep(self, owned: Indices) -> None:
        """Everything fits; nothing to prepare."""

    def read(self, samples: Indices, random: np.random.Generator | None) -> Batch:
        """Digits are never augmented: a mirrored 2 is not a 2."""
        return self._images[samples], self._labels[samples]


def _scaled(image: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    values = (image / _BRIGHTEST).astype(np.float32)
    if side == SIDE:
        return values
    return np.asarray(Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)
