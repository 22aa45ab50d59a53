"""CIFAR-10 from the folder that its archives unpack to, in either published layout.

`cifar-10-batches-py`: pickled dictionaries (`data_batch_1` ... `test_batch`). `cifar-10-batches-bin`: records of one label
byte and 3072 pixel bytes (`data_batch_1.bin` ... `test_batch.bin`). https://www.cs.toronto.edu/~kriz/cifar.html

Checksums: the python batches' are those torchvision verifies (torchvision/datasets/cifar.py). For the single binary files
no published sum was found, so these are checked by structure (length, labels in range); `contents.checked` says which.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.data import checksums
from suite.data.cifar10_files import CLASSES, SIDE, read_binary, read_python
from suite.data.contents import Contents, digest
from suite.data.errors import DataError
from suite.data.options import Options
from suite.data.preprocessing import Colour, centre_crop, normalised, random_crop
from suite.data.sharding import Indices
from suite.data.source import Batch, Split

PUBLISHED_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
PYTHON, BINARY = "cifar-10-batches-py", "cifar-10-batches-bin"
RECORDS_PER_FILE = 10_000
_STEMS: dict[Split, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}


class Cifar10Options(Options):
    checksums: str = checksums.PUBLISHED
    """"published", "none" (any number of records per file is then accepted), or the path of an md5sum file."""
    mean: Colour = (0.0, 0.0, 0.0)
    deviation: Colour = (1.0, 1.0, 1.0)


class Cifar10:
    skipped = 0

    def __init__(self, *, folder: Path, split: Split, image: int, options: Cifar10Options) -> None:
        self._side = image
        self._options = options
        self.image_shape = (image, image, 3)
        place, suffix = _find(folder)
        sums = checksums.wanted(options.checksums, PUBLISHED_MD5)
        records = RECORDS_PER_FILE if options.checksums == checksums.PUBLISHED else None
        parts, checked = [], []
        for stem in _STEMS[split]:
            path = place / f"{stem}{suffix}"
            if not path.is_file():
                raise DataError(path, "no such file", f"CIFAR-10's {split} files {', '.join(_STEMS[split])} in {place}")
            checked.append(checksums.verify(path, sums))  # before unpickling: a right sum is a file we know
            parts.append((read_binary if suffix else read_python)(path, records))
        self._pixels: NDArray[np.uint8] = np.concatenate([pixels for pixels, _ in parts])
        self._labels: NDArray[np.int64] = np.concatenate([labels for _, labels in parts])
        self.contents = Contents(
            where=str(place),
            classes=CLASSES,
            samples=len(self._labels),
            samples_per_class=tuple(int(count) for count in np.bincount(self._labels, minlength=len(CLASSES))),
            digest=digest(str(label) for label in self._labels),
            checked="md5" if all(checked) else "structure",
        )

    def keep(self, owned: Indices) -> None:
        """150 MB at most, in memory already."""

    def read(self, samples: Indices, random: np.random.Generator | None) -> Batch:
        cut = np.empty((len(samples), self._side, self._side, 3), dtype=np.uint8)
        draws = random.random((len(samples), 3)) if random is not None else None
        for place, sample in enumerate(samples):
            whole = (SIDE, SIDE, self._side)
            crop = centre_crop(*whole) if draws is None else random_crop(*whole, draws[place])
            cut[place] = crop.of(self._pixels[sample])
        return normalised(cut, self._options.mean, self._options.deviation), self._labels[samples]


def _find(folder: Path) -> tuple[Path, str]:
    """The folder that holds the files, and what their names end in."""
    if not folder.is_dir():
        raise DataError(folder, "no such folder", f"a folder that holds {PYTHON}/ or {BINARY}/")
    first = _STEMS["train"][0]
    for place, suffix in ((folder / PYTHON, ""), (folder / BINARY, ".bin"), (folder, ""), (folder, ".bin")):
        if place.is_dir() and (place != folder or (place / f"{first}{suffix}").exists()):
            return place, suffix
    archives = sorted(path.name for path in folder.glob("cifar-10-*.tar.gz"))
    found = f"only the packed archive {archives[0]} (unpack it)" if archives else "neither of CIFAR-10's layouts"
    raise DataError(folder, found, f"{PYTHON}/ or {BINARY}/")
