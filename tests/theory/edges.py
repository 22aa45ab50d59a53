"""Where a method stops being stable: on either side of the edge that a theory names, by runs of the virtual driver."""

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


def is_the_edge(unstable: Callable[[float], bool], value: float, *, below: float = 0.01, above: float = 0.01) -> bool:
    """Whether paths die out at so much less than `value` and grow at so much more, relative to it."""
    return not unstable(value * (1 - below)) and unstable(value * (1 + above))
