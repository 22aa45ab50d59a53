"""Narrower and wider variants of one description."""

import math


def scaled(count: int, width: float, groups: int = 1) -> int:
    """`count` channels times `width`, rounded to a multiple of `groups`, at least one per group."""
    if not 0 < width < math.inf:
        raise ValueError(f"width {width} is not a number greater than 0")
    return max(1, round(count * width / groups)) * groups
