"""What a program is given, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algorithms.contract import Algorithm


@dataclass(frozen=True)
class Place:
    """One run: which ranks' samples it trains on, and how. Without an algorithm it is the serial run."""

    algorithm: Algorithm | None
    ranks: tuple[int, ...]
    workers: int
    folder: Path  # of this rank alone


@dataclass(frozen=True)
class Ran:
    """Losses of one rank in order, and the parameters that one evaluates when training has ended."""

    losses: list[float]
    parameters: dict[str, NDArray[np.float64]]


Program = Callable[[Place], Ran]
