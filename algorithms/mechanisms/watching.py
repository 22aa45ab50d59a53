"""Whoever looks on while things travel. Nobody does unless asked to, and nothing is spent on it then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Watcher(Protocol):
    """Told of every exchange ("exchange conv1.weight") and every vote ("vote") when it is over, by the helper thread.

    An exchange ends when the helper sees that it has landed, which may be a little later than it did.
    """

    @property
    def clock(self) -> Callable[[], float]: ...

    def add(self, name: str, began: float, seconds: float) -> None:
        """`began` on the clock."""
