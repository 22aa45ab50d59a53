"""The most memory that this process has held at once: over its whole life, and over a part of it."""

from __future__ import annotations

import re
from pathlib import Path

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
HIGHEST_ONLY = "5"  # of what that file can reset


class ResidentPeak:
    """Linux keeps one highest mark, which can be told to begin anew. Elsewhere nothing is known."""

    def __init__(self) -> None:
        self._before = 0
        self._begun = False

    def begin(self) -> None:
        """The part begins here; a second call changes nothing."""
        if self._begun:
            return
        self._before = _highest() or 0
        try:
            FORGET.write_text(HIGHEST_ONLY)
        except OSError:
            return
        self._begun = True

    @property
    def since_begun(self) -> int | None:
        return _highest() if self._begun else None

    @property
    def whole_life(self) -> int | None:
        highest = _highest()
        return None if highest is None else max(self._before, highest)


def _highest() -> int | None:
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else int(found[1]) * 1024
