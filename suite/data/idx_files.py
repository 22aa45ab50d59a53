"""The IDX format of MNIST and its successors, plain or gzipped: bytes in, an array out, damage refused.

A file is two zero bytes, a code for the type (8: unsigned bytes, the only one here), the number of dimensions, each
dimension as four bytes, most significant first, and the values.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.data.errors import DataError

_BYTES = 8


def find(folder: Path, stem: str) -> Path | None:
    """The file of that name, unpacked or not; None if there is neither."""
    return next((path for path in (folder / stem, folder / f"{stem}.gz") if path.is_file()), None)


def read(path: Path, dimensions: int) -> NDArray[np.uint8]:
    expected = f"an IDX file of bytes in {dimensions} dimension{'s' if dimensions > 1 else ''}"
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(path, f"cannot be unpacked ({error})", expected) from error
    head = 4 + 4 * dimensions
    if len(raw) < head or raw[:4] != bytes((0, 0, _BYTES, dimensions)):
        raise DataError(path, f"{len(raw)} bytes that begin with {raw[:4].hex() or 'nothing'}", expected)
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", dimensions, offset=4))
    if len(raw) - head != math.prod(shape):
        promised = " x ".join(map(str, shape))
        raise DataError(
            path, f"{len(raw) - head} bytes of values", f"{promised} = {math.prod(shape)}, as it says itself"
        )
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)
