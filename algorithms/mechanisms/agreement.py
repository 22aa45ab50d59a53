"""Do ranks hold the same values? Each says a number for each of its tensors, and who stands alone is named."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from algorithms.mechanisms.errors import RanksDisagree


def digest(array: NDArray[np.generic]) -> int:
    """Of the bits, so that equal means equal."""
    return zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data)


def require_equal(said: Sequence[Sequence[int]], names: Sequence[str], when: str) -> None:
    """Raise RanksDisagree where `said`, a row for each rank and a column for each name, differs from rank to rank.

    It names what differs first, and the ranks that the others outvote; where they are as many, those unlike rank 0.
    """
    if not said:
        return
    wrong = [number for number, column in enumerate(zip(*said, strict=True)) if len(set(column)) > 1]
    if not wrong:
        return
    values = [int(row[wrong[0]]) for row in said]
    usual = max(Counter(values).items(), key=lambda item: (item[1], item[0] == values[0]))[0]
    ranks = ", ".join(str(rank) for rank, value in enumerate(values) if value != usual)
    more = f" (and {len(wrong) - 1} more)" if wrong[1:] else ""
    raise RanksDisagree(
        f"{when}, {names[wrong[0]]}{more} of rank {ranks} differs from the others': something changed parameters outside "
        "the optimizer, or an exchange was not exact"
    )
