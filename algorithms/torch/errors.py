"""What goes wrong with Horovod while training, as the user sees it."""

from __future__ import annotations

from horovod.common.exceptions import HorovodInternalError


class RankStopped(HorovodInternalError):  # type: ignore[misc] # noqa: N818 - it says what happened
    """Another rank stopped, died or left Horovod; this one cannot go on, unless `hvd.elastic.run` makes it."""
