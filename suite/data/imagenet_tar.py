"""ImageNet's train archive as it is handed out: a tar of one tar per class, read in place, without unpacking.

Nothing in it is compressed, so an image is a stretch of bytes: opening the archive notes where each one lies, reading is
one `pread`. The archive's md5 is verified only if asked for: it has 138 GB.
"""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from suite.data.errors import DataError

NAME = "ILSVRC2012_img_train.tar"
# As in torchvision/datasets/imagenet.py (ARCHIVE_META).
PUBLISHED_MD5 = {NAME: "1d675b47d978889d74fa0da5fadfb00e"}
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Archive:
    where: Path
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    _starts: NDArray[np.int64]
    _sizes: NDArray[np.int64]
    _file: IO[bytes] = field(compare=False)

    def path(self, sample: int) -> Path:
        return self.where / self.names[sample]

    def data(self, sample: int) -> bytes:
        size = int(self._sizes[sample])
        read = os.pread(
            self._file.fileno(), size, int(self._starts[sample])
        )  # moves no shared position: threads may read
        if len(read) != size:
            raise DataError(self.path(sample), f"{len(read)} bytes", f"{size} bytes: was the archive cut while in use?")
        return read


def read_archive(where: Path) -> Archive:
    if not where.is_file():
        raise DataError(where, "no such file", f"ImageNet's {NAME}")
    file = where.open("rb")  # stays open as long as the archive is in use
    outer = sorted(_members(file, where, 0, where.stat().st_size), key=lambda member: member[0])
    classes = tuple(name.removesuffix(".tar") for name, _, _ in outer)
    if not classes or any(not name.endswith(".tar") for name, _, _ in outer):
        found = ", ".join(name for name, _, _ in outer[:3]) or "nothing"
        raise DataError(where, f"holds {found}", "one tar per class, n01440764.tar and so on")
    names: list[str] = []
    labels: list[int] = []
    places: list[tuple[int, int]] = []
    for label, (name, start, size) in enumerate(outer):
        images = sorted(_members(file, where / name, start, size), key=lambda member: member[0])
        if not images:
            raise DataError(where / name, "no images", "at least one per class")
        names += [f"{classes[label]}/{image}" for image, _, _ in images]
        labels += [label] * len(images)
        places += [(begin, length) for _, begin, length in images]
    starts, sizes = np.asarray(places, dtype=np.int64).T
    return Archive(where, classes, tuple(names), np.asarray(labels, dtype=np.int64), starts, sizes, file)


def _members(file: IO[bytes], shown: Path, start: int, size: int) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and length of every file in the tar that fills `size` bytes from `start` on."""
    end = start
    with _reading(shown):
        file.seek(start)
        # tarfile counts from where the file stands; a tar inside a tar ends at its own end mark.
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while True:
                member = archive.next()
                if member is None:
                    break
                last = member.offset_data + member.size
                if last > start + size:
                    raise DataError(shown, f"{member.name} cut off at byte {size}", f"{last - start} bytes")
                end = start + -(-(last - start) // _BLOCK) * _BLOCK
                if member.isfile():
                    yield member.name, member.offset_data, member.size
    # tarfile takes a plain end of file for the end of the archive; only the zero block shows that nothing was cut off.
    if end + _BLOCK > start + size or os.pread(file.fileno(), _BLOCK, end) != bytes(_BLOCK):
        raise DataError(shown, f"cut off after {end - start} bytes", "an end mark (a block of zeros) there")


@contextmanager
def _reading(shown: Path) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise DataError(shown, f"not a readable tar ({error})", "an uncompressed tar") from error
