"""Parameters that somebody beside the rounds has changed, where they are copies of a centre."""

from __future__ import annotations

import warnings
from collections.abc import Sequence


class Overwritten(UserWarning):
    """Somebody changed parameters, and the centre will take their place."""


def warn(algorithm: str, changed: Sequence[str]) -> None:
    """Once for each optimizer, by its driver."""
    names = ", ".join(changed[:3]) + " ..." * (len(changed) > 3)
    warnings.warn(
        f"{names}: written to since the last round, and not by the optimizer. With {algorithm} the optimizer moves a "
        "centre that all ranks share, which now takes their place; where they had been put back nothing is lost. What "
        "limits parameters belongs into the optimizer's own step or into constraints, and what loads them before the first "
        "step or behind the last finish(); to go on training from others, wrap a new optimizer.",
        Overwritten,
        stacklevel=2,
    )
