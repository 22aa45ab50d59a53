"""Where a method stops being stable, found by bisection on runs of the virtual driver."""

import math
from collections.abc import Callable

import numpy as np

from algorithms.virtual import Cluster


def grows(cluster: Cluster, steps: int) -> bool:
    """Whether the envelope of the path grows from its second third to its last."""
    with np.errstate(over="ignore"):
        try:
            path = np.abs(np.ravel(cluster.run(steps=steps).parameters))
        except ValueError as error:  # it has grown out of what a number can hold
            if "not finite" not in str(error):
                raise
            return True
    third = len(path) // 3
    return bool(path[-third:].max() > path[third : 2 * third].max())


def edge(unstable: Callable[[float], bool], low: float, high: float) -> float:
    """The edge between a stable `low` and an unstable `high`, to 0.1 %; both are looked at first."""
    if unstable(low) or not unstable(high):
        raise AssertionError(f"no edge between {low} and {high}")
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if unstable(middle) else (middle, high)
    return math.sqrt(low * high)
