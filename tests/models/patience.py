"""Upper bounds on durations that hold on a busy machine too."""

from collections.abc import Callable

TRIES = 60


def best(run: Callable[[], float], least: float, most: float) -> float:
    """The shortest of several runs, none of which may be shorter than `least`; stops at the first below `most`.

    Other work makes some runs longer, none shorter: the best one shows what lies in the code under test.
    """
    shortest = float("inf")
    for _ in range(TRIES):
        seconds = run()
        assert seconds >= least
        shortest = min(shortest, seconds)
        if shortest < most:
            break
    return shortest
