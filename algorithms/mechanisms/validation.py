"""One way to refuse a hyper-parameter: ValueError with its name, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real


def whole(name: str, value: object, at_least: int) -> None:
    """Refuse what is not an integer of at least `at_least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < at_least:
        raise ValueError(f"{name}={value!r}: must be a whole number >= {at_least}")


def real(
    name: str,
    value: object,
    low: float,
    high: float = math.inf,
    *,
    low_allowed: bool = True,
    high_allowed: bool = True,
    because: str = "",
) -> None:
    """Refuse what is not a finite number between `low` and `high`."""
    opening, closing = "[("[not low_allowed], "])"[not high_allowed or high == math.inf]
    message = f"{name}={value!r}: must be a number in {opening}{low:g}, {high:g}{closing}{because and ' ' + because}"
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(message)
    number = float(value)
    if number < low or number > high or (number == low and not low_allowed) or (number == high and not high_allowed):
        raise ValueError(message)


def one_of(name: str, value: object, allowed: Sequence[object]) -> None:
    """Refuse what is not among `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r}: must be one of {', '.join(map(repr, allowed))}")


def flag(name: str, value: object) -> None:
    """Refuse what is not True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}={value!r}: must be True or False")


def optional_real(name: str, value: object, low: float, high: float = math.inf, *, low_allowed: bool = True) -> None:
    """Refuse what is neither None nor a number in range."""
    if value is not None:
        try:
            real(name, value, low, high, low_allowed=low_allowed)
        except ValueError as error:
            raise ValueError(f"{error}, or None") from None


def overlapping(overlap: object, period: int) -> None:
    """Refuse an overlap that would let a round's result arrive after the next round has left."""
    whole("overlap", overlap, 0)
    if isinstance(overlap, int) and overlap >= period and overlap:
        raise ValueError(f"overlap={overlap}: must be in [0, {period - 1}] with period={period}")
