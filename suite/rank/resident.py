"""The most memory that this process has held at once, in main memory and on its GPU, over a part of its life."""

from __future__ import annotations

import re
from collections.abc import Callable
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


class DevicePeak:
    """The same for memory on a GPU, of which the framework keeps the highest mark: `forget` begins it anew."""

    def __init__(self, forget: Callable[[], None], most: Callable[[], int]) -> None:
        self._forget, self._most = forget, most
        self._begun = False

    def begin(self) -> None:
        """The part begins here; a second call changes nothing."""
        if not self._begun:
            self._forget()
            self._begun = True

    @property
    def since_begun(self) -> int | None:
        return self._most() if self._begun else None


def _highest() -> int | None:
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else int(found[1]) * 1024
