"""One step's gradients on their way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True, eq=False)
class Departed:
    """One step's gradients, by variable: about to leave, or what has become of them."""

    gradients: Mapping[int, tf.Tensor]
    then: Mapping[int, tf.Tensor | None]  # the parameters that they were taken at, where the algorithm compares
    scale: Any  # that they have, where it changes
