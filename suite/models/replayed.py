"""What both frameworks' replayed nets have in common: cheap values that still tell right updates from wrong ones.

A replayed gradient is  signal + DECAY * parameter,  the signal being one number that the batch decides. So it differs
between ranks, steps, elements, and between fresh and stale parameters, for one pass over the parameter's memory.
"""

import numpy as np
from numpy.typing import NDArray

DECAY = 0.01
SIGNAL_VALUES = 64  # values of each sample that its signal is the mean of
RAMP = 1021  # prime, so that no two neighbouring pieces of a tensor hold the same values


def initial(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Initial values of a parameter: a repeating ramp in [-0.05, 0.05)."""
    size = int(np.prod(shape))
    ramp = ((np.arange(RAMP) / RAMP - 0.5) * 0.1).astype(np.float32)
    return np.resize(ramp, size).reshape(shape)


def answer(classes: int) -> NDArray[np.float32]:
    """The fixed direction into which a sample's signal moves its answer."""
    return np.linspace(-1.0, 1.0, classes, dtype=np.float32) if classes > 1 else np.ones(1, np.float32)
