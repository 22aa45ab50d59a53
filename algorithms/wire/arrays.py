"""The few things that formats do with arrays and that operators do not offer alike in NumPy, PyTorch and TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = Any  # numpy.ndarray, torch.Tensor or tensorflow.Tensor, with + - * / @


class Arrays(Protocol):
    """One framework's. What is true or false may be an array of it, of one element."""

    def made(self, values: NDArray[np.float64], like: Array) -> Array:
        """NumPy's numbers as an array of the kind that `like` is."""

    def cast(self, x: Array, kind: str) -> Array:
        """As numbers of this kind: "float16", "int32"."""

    def like(self, x: Array, other: Array) -> Array:
        """As numbers of the kind that `other` has."""

    def largest(self, x: Array) -> Array:
        """The largest magnitude, as an array of one element; infinite where anything is not finite."""

    def whole(self, x: Array) -> Array:
        """The nearest whole numbers, of two the even one."""

    def finite(self, x: Array) -> Any:
        """Whether all of it is finite."""

    def chosen(self, condition: Any, yes: Array, no: Any) -> Array:
        """`yes` where the condition holds, else `no`."""

    def shaped(self, x: Array, shape: Sequence[int]) -> Array:
        """The same elements in another shape."""

    def turned(self, x: Array) -> Array:
        """A matrix with rows for columns."""

    def joined(self, first: Array, second: Array) -> Array:
        """One behind the other."""

    def orthonormal(self, x: Array) -> Array:
        """Columns of length one, at right angles, that span what the columns of `x` span, and more where those don't."""


class NumPyArrays:
    """NumPy's."""

    def made(self, values: NDArray[np.float64], like: Array) -> Array:
        return values.astype(like.dtype)

    def cast(self, x: Array, kind: str) -> Array:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, as on the wire
            # Doubles become halves by way of singles, as PyTorch and TensorFlow make them: that may round twice.
            return (x.astype(np.float32) if kind == "float16" else x).astype(kind)

    def like(self, x: Array, other: Array) -> Array:
        return x.astype(other.dtype)

    def largest(self, x: Array) -> Array:
        highest = np.abs(x).max(keepdims=True)
        return np.where(np.isfinite(highest), highest, np.asarray(np.inf, x.dtype))

    def whole(self, x: Array) -> Array:
        return np.rint(x)

    def finite(self, x: Array) -> Any:
        return np.isfinite(x).all()

    def chosen(self, condition: Any, yes: Array, no: Any) -> Array:
        return np.where(condition, yes, np.asarray(no, yes.dtype))

    def shaped(self, x: Array, shape: Sequence[int]) -> Array:
        return x.reshape(shape)

    def turned(self, x: Array) -> Array:
        return x.T

    def joined(self, first: Array, second: Array) -> Array:
        return np.concatenate([first, second])

    def orthonormal(self, x: Array) -> Array:
        return np.linalg.qr(x)[0]
