"""Which errors of a rank only say that another one is gone: that one's own error is the cause."""

from __future__ import annotations

import re

_CONSEQUENCE = re.compile(
    r"Horovod has been shut down|HorovodInternalError|Connection closed by peer|Connection reset by peer"
    r"|Connection refused|Broken pipe|Read error|Timed out waiting \d+ms|peer closed|terminated with signal",
    re.IGNORECASE,
)


def is_consequence(message: str) -> bool:
    """Whether an error only says that somebody else is gone."""
    return bool(_CONSEQUENCE.search(message))
