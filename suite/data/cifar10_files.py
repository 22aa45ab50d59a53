"""The two file formats of CIFAR-10: bytes in, pixels (N x 32 x 32 x 3) and labels out, damage refused."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.data.errors import DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
_PIXELS = 3 * SIDE * SIDE

Read = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_binary(path: Path, records: int | None) -> Read:
    raw = np.fromfile(path, dtype=np.uint8)
    record = 1 + _PIXELS
    expected = f"{records * record} bytes" if records is not None else f"a multiple of {record} bytes"
    if raw.size == 0 or raw.size % record or (records is not None and raw.size != records * record):
        raise DataError(path, f"{raw.size} bytes", expected)
    rows = raw.reshape(-1, record)
    return _images(rows[:, 1:]), _checked_labels(path, rows[:, 0].astype(np.int64))


def read_python(path: Path, records: int | None) -> Read:
    try:
        held = _Unpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise almost anything
        raise DataError(path, f"cannot be unpickled ({error})", "a CIFAR-10 batch, python version") from error
    if not isinstance(held, dict) or b"data" not in held or b"labels" not in held:
        raise DataError(path, "no 'data' and 'labels' inside", "a CIFAR-10 batch, python version")
    pixels, labels = np.asarray(held[b"data"]), np.asarray(held[b"labels"])
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _PIXELS or not len(pixels):
        raise DataError(path, f"'data' of shape {pixels.shape}, {pixels.dtype}", f"N x {_PIXELS}, uint8")
    if labels.shape != (len(pixels),) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(path, f"'labels' of shape {labels.shape}, {labels.dtype}", f"{len(pixels)} whole numbers")
    if records is not None and len(pixels) != records:
        raise DataError(path, f"{len(pixels)} records", f"{records} records")
    return _images(pixels), _checked_labels(path, labels.astype(np.int64))


def _images(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stored as three planes, red, green, blue; wanted with the channel last."""
    return np.ascontiguousarray(rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))


def _checked_labels(path: Path, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CLASSES)))
    if wrong.size:
        more = f" ({wrong.size} such records)" if wrong.size > 1 else ""
        raise DataError(
            path, f"record {wrong[0]} has label {labels[wrong[0]]}{more}", f"labels 0 to {len(CLASSES) - 1}"
        )
    return labels


class _Unpickler(pickle.Unpickler):
    """Builds arrays and nothing else: a pickle may otherwise run any code it likes."""

    _ALLOWED = frozenset(
        {
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)
