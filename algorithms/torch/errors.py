"""What goes wrong while training, as the user sees it. Wrong arguments are ValueErrors."""

from __future__ import annotations

from horovod.common.exceptions import HorovodInternalError


class TrainingError(RuntimeError):
    """Raised on every rank at once: nobody is left waiting."""


class RanksDisagree(TrainingError):  # noqa: N818 - it says what happened
    """Parameters that must be equal are not."""


class RankStopped(HorovodInternalError):  # type: ignore[misc] # noqa: N818 - it says what happened
    """Another rank stopped, died or left Horovod; this one cannot go on, unless `hvd.elastic.run` makes it."""
