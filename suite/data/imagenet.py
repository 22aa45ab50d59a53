"""ImageNet for those who have it: class folders (`train/<class>/*.JPEG`, `val/<class>/*.JPEG`) or the train archive itself.

Decoded by Pillow in a few threads, preprocessed as in `preprocessing`. A picture that cannot be decoded is an error that
names it, or, with ``on_bad="skip"``, left out of its batch and counted in `skipped`; it never becomes another picture.
"""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from suite.data import checksums
from suite.data.contents import Contents, digest
from suite.data.errors import DataError
from suite.data.imagenet_folder import class_names, read_folder
from suite.data.imagenet_tar import NAME, PUBLISHED_MD5, read_archive
from suite.data.options import Options
from suite.data.preprocessing import Colour, Pixels, centre_crop, normalised, random_crop, scale_short_side
from suite.data.sharding import Indices
from suite.data.source import Batch, Split

FOLDERS: dict[Split, str] = {"train": "train", "test": "val"}


class ImagenetOptions(Options):
    short_side: Annotated[int, Field(ge=1)] = 256
    on_bad: Literal["error", "skip"] = "error"
    threads: Annotated[int, Field(ge=1)] = 2
    """Decoding threads; Pillow decodes outside the interpreter lock."""
    checksums: str = checksums.NONE
    """For the archive: "published" reads all its 138 GB first; "none", or the path of an md5sum file."""
    mean: Colour = (0.0, 0.0, 0.0)
    deviation: Colour = (1.0, 1.0, 1.0)


class Files(Protocol):
    """Where the pictures are: folders or an archive."""

    @property
    def where(self) -> Path: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> NDArray[np.int64]: ...
    def path(self, sample: int) -> Path: ...
    def data(self, sample: int) -> bytes: ...


class Imagenet:
    def __init__(self, *, folder: Path, split: Split, image: int, options: ImagenetOptions) -> None:
        if image > options.short_side:
            raise ValueError(f"image = {image}: at most short_side = {options.short_side}")
        self._options = options
        self._side = image
        self.image_shape = (image, image, 3)
        self._files, checked = _open(folder, split, options.checksums)
        self.contents = Contents(
            where=str(self._files.where),
            classes=self._files.classes,
            samples=len(self._files.names),
            samples_per_class=tuple(
                int(count) for count in np.bincount(self._files.labels, minlength=len(self._files.classes))
            ),
            digest=digest(self._files.names),
            checked="md5" if checked else "structure",
        )
        self._pool = ThreadPoolExecutor(options.threads, thread_name_prefix="farandole-decode")
        self._lock = threading.Lock()
        self._bad: dict[str, str] = {}
        self.skipped = 0

    @property
    def bad(self) -> dict[str, str]:
        """The pictures that were skipped, and why."""
        with self._lock:
            return dict(self._bad)

    def keep(self, owned: Indices) -> None:
        """Files are read when they are needed."""

    def read(self, samples: Indices, random: np.random.Generator | None) -> Batch:
        draws = random.random((len(samples), 3)) if random is not None else None
        read = self._pool.map(
            lambda place: self._picture(int(samples[place]), None if draws is None else draws[place]),
            range(len(samples)),
        )
        pixels = np.empty((len(samples), *self.image_shape), dtype=np.uint8)
        kept: list[int] = []
        for place, picture in enumerate(read):
            if picture is not None:
                pixels[len(kept)] = picture
                kept.append(int(samples[place]))
        labels = self._files.labels[np.asarray(kept, dtype=np.int64)]
        return normalised(pixels[: len(kept)], self._options.mean, self._options.deviation), labels

    def _picture(self, sample: int, draw: NDArray[np.float64] | None) -> Pixels | None:
        try:
            return self._decoded(sample, draw)
        except DataError as error:
            if self._options.on_bad == "error":
                raise
            with self._lock:
                self.skipped += 1
                self._bad[str(error.path)] = error.found
            return None

    def _decoded(self, sample: int, draw: NDArray[np.float64] | None) -> Pixels:
        try:
            with Image.open(io.BytesIO(self._files.data(sample))) as image:
                pixels = np.asarray(scale_short_side(image.convert("RGB"), self._options.short_side))
        except DataError:
            raise
        # Pillow tells of damage in all of these ways, by format and by place of the damage.
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            raise DataError(self._files.path(sample), f"cannot be decoded ({error})", "a whole picture") from error
        height, width = pixels.shape[:2]
        crop = centre_crop(height, width, self._side) if draw is None else random_crop(height, width, self._side, draw)
        return crop.of(pixels)


def _open(folder: Path, split: Split, sums: str) -> tuple[Files, bool]:
    """The files of one split, and whether a checksum vouches for them."""
    train, test = FOLDERS["train"], FOLDERS["test"]
    if folder.suffix == ".tar" and split == "test":
        raise DataError(
            folder, "the train archive", f"split 'train', or a folder that holds {test}/ with class folders"
        )
    if folder.suffix != ".tar":
        if not folder.is_dir():
            raise DataError(folder, "no such folder", f"a folder that holds {train}/ (or {NAME}) and {test}/")
        where = folder / FOLDERS[split]
        if where.is_dir() or split == "test":
            found = read_folder(where)
            _check_same_classes(folder, split, found.classes)
            return found, False
        if not (folder / NAME).is_file():
            raise DataError(folder, f"neither {train}/ nor {NAME}", "ImageNet in class folders, or its train archive")
    archive = folder if folder.suffix == ".tar" else folder / NAME
    if not archive.is_file():
        raise DataError(archive, "no such file", f"ImageNet's {NAME}")
    checked = checksums.verify(archive, checksums.wanted(sums, PUBLISHED_MD5))
    opened = read_archive(archive)
    if folder.suffix != ".tar":
        _check_same_classes(folder, split, opened.classes)
    return opened, checked


def _check_same_classes(folder: Path, split: Split, classes: tuple[str, ...]) -> None:
    """A class missing from one split would shift all labels behind it."""
    other = folder / FOLDERS["test" if split == "train" else "train"]
    if not other.is_dir():
        return
    others = class_names(other)
    odd = sorted(set(classes) ^ set(others))
    if odd:
        lacking = folder / FOLDERS[split] if odd[0] in others else other
        raise DataError(lacking / odd[0], "no such class folder", "the same class folders to train and to test")
