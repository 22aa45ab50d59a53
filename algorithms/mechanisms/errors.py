"""What goes wrong while training, as the user sees it. Wrong arguments are ValueErrors."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """Raised on every rank at once: nobody is left waiting."""


class RanksDisagree(TrainingError):  # noqa: N818 - it says what happened
    """Parameters that must be equal are not."""
