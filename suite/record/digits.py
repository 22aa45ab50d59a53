"""Columns of times and losses, written place by place: first the leading digit of every step, then all the next ones.

The same digits pack smaller so. What a number with many places has in front hardly changes from step to step, what it has
behind is noise: side by side the packer learns each for itself, in turns it learns neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PLACES = 7  # behind the point, as ranks write them
MOST = 15  # places a number; more are not exact in a float
FEWEST = 20  # steps: below there is nothing to learn
KEY = "digits"
Columns = dict[str, Any]


def by_place(columns: Columns) -> Columns:
    """Every column that it pays for, as `{"digits": places a number, "of": text}`."""
    return {name: _written(values) or values for name, values in columns.items()}


def by_step(columns: Columns) -> Columns:
    """What `by_place` was given."""
    return {name: _read(one) if isinstance(one, dict) and KEY in one else one for name, one in columns.items()}


def _written(values: Any) -> dict[str, Any] | None:
    if not isinstance(values, list) or len(values) < FEWEST or not all(type(one) is float for one in values):
        return None
    numbers = np.asarray(values, np.float64)
    if len(set(values)) < len(values) / 4 or np.any(np.signbit(numbers)) or not np.all(numbers < 10 ** (MOST - PLACES)):
        return None
    whole = np.rint(numbers * 10**PLACES).astype(np.int64)
    if not np.array_equal(whole / 10**PLACES, numbers):
        return None
    width = len(str(whole.max()))
    text = b"".join((whole // 10**place % 10 + ord("0")).astype(np.uint8).tobytes() for place in reversed(range(width)))
    return {KEY: width, "of": text.decode()}


def _read(written: dict[str, Any]) -> list[float]:
    width = written[KEY]
    places = np.frombuffer(written["of"].encode(), np.uint8).reshape(width, -1).astype(np.int64) - ord("0")
    whole = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64) @ places
    found: list[float] = (whole / 10**PLACES).tolist()
    return found
