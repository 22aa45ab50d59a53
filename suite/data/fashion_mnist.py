"""Fashion-MNIST: 60,000 + 10,000 grey pictures of clothes, 28x28, ten classes, from a folder with the four IDX files.

Debian and Ubuntu have them as a package, which puts them where we look by default. Source (MIT licence): H. Xiao, K. Rasul,
R. Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms".
"""

from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from suite.data import idx_files
from suite.data.contents import Contents, digest
from suite.data.errors import DataError
from suite.data.options import Options
from suite.data.sharding import Indices
from suite.data.source import Batch, Split

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SIDE = 28
FOLDER = Path("/usr/share/datasets/fashion-mnist")
HOW_TO_GET_IT = "apt-get install dataset-fashion-mnist, or --data-folder with the four IDX files"
_STEMS: dict[Split, str] = {"train": "train", "test": "t10k"}
_BRIGHTEST = np.float32(255)


class FashionMnistOptions(Options):
    channels: Annotated[int, Field(ge=1)] = 1
    """The grey value repeated, for nets that take colour."""


class FashionMnist:
    skipped = 0

    def __init__(self, *, folder: Path, split: Split, image: int, options: FashionMnistOptions) -> None:
        self.image_shape = (image, image, options.channels)
        pixels_path, labels_path = _find(folder, split)
        pixels, labels = idx_files.read(pixels_path, 3), idx_files.read(labels_path, 1)
        if pixels.shape[1:] != (SIDE, SIDE) or not len(pixels):
            raise DataError(pixels_path, f"pictures of shape {pixels.shape}", f"N x {SIDE} x {SIDE}")
        if len(labels) != len(pixels):
            raise DataError(labels_path, f"{len(labels)} labels", f"{len(pixels)}, one for each picture")
        if labels.max() >= len(CLASSES):
            raise DataError(labels_path, f"label {labels.max()}", f"labels 0 to {len(CLASSES) - 1}")
        self._pixels = pixels if image == SIDE else np.stack([_scaled(one, image) for one in pixels])
        self._labels: NDArray[np.int64] = labels.astype(np.int64)
        self.contents = Contents(
            where=str(folder),
            classes=CLASSES,
            samples=len(labels),
            samples_per_class=tuple(int(count) for count in np.bincount(labels, minlength=len(CLASSES))),
            digest=digest(str(label) for label in labels),
            checked="structure",
        )

    def keep(self, owned: Indices) -> None:
        """47 MB of bytes, in memory already."""

    def read(self, samples: Indices, random: np.random.Generator | None) -> Batch:
        """Never augmented: accuracies are those of the plain pictures."""
        grey = self._pixels[samples][..., np.newaxis] / _BRIGHTEST
        return np.repeat(grey, self.image_shape[2], axis=3), self._labels[samples]


def _find(folder: Path, split: Split) -> tuple[Path, Path]:
    found = []
    for stem in (f"{_STEMS[split]}-images-idx3-ubyte", f"{_STEMS[split]}-labels-idx1-ubyte"):
        path = idx_files.find(folder, stem)
        if path is None:
            raise DataError(folder / stem, "no such file, with or without .gz", HOW_TO_GET_IT)
        found.append(path)
    return found[0], found[1]


def _scaled(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR))
