"""What a recorder of either framework makes: a step that says how long each layer took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Clock = Callable[[], float]
Device = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True)
class Times:
    """Seconds of one training step by layer with parameters; each has with it the layers without any that follow it."""

    forward: dict[str, float]
    backward: dict[str, float]


Step = Callable[[], Times]
