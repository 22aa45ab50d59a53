"""The class-folder layout: `folder/<class>/<image>`; a label is the position of its class in the sorted list of folders."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.data.errors import DataError

_IMAGES = frozenset({".jpeg", ".jpg", ".png"})


@dataclass(frozen=True)
class Folder:
    where: Path
    classes: tuple[str, ...]
    names: tuple[str, ...]
    """Relative to `where`, in label order."""
    labels: NDArray[np.int64]

    def path(self, sample: int) -> Path:
        return self.where / self.names[sample]

    def data(self, sample: int) -> bytes:
        return self.path(sample).read_bytes()


def class_names(where: Path) -> tuple[str, ...]:
    if not where.is_dir():
        raise DataError(where, "no such folder", "a folder with one folder of images per class")
    names = tuple(sorted(entry.name for entry in where.iterdir() if entry.is_dir() and not entry.name.startswith(".")))
    if not names:
        raise DataError(where, "no class folders", "one folder of images per class")
    return names


def read_folder(where: Path) -> Folder:
    classes = class_names(where)
    names: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        images = sorted(entry.name for entry in (where / name).iterdir() if entry.suffix.lower() in _IMAGES)
        if not images:
            raise DataError(where / name, "no images", f"files ending in {', '.join(sorted(_IMAGES))}")
        names += [f"{name}/{image}" for image in images]
        labels += [label] * len(images)
    return Folder(where, classes, tuple(names), np.asarray(labels, dtype=np.int64))
