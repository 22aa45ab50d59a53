"""Narrower and wider variants of one description."""


def scaled(count: int, width: float, groups: int = 1) -> int:
    """`count` channels times `width`, rounded to a multiple of `groups`, at least one per group."""
    if not width > 0:
        raise ValueError(f"width {width} is not greater than 0")
    return max(1, round(count * width / groups)) * groups
