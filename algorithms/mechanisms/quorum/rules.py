"""Who takes part in a round: pure functions of what every worker has said, so that all of them decide alike.

A worker says, vote after vote, whether it is still training and what it has on offer. An offer that the algorithm no
longer accepts is dropped; a round begins when enough of the others are there; when there are more than the round takes,
the order in which they are taken starts at another worker each round, so that nobody is left out for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from algorithms.contract import Moment, Place, Rounds


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an algorithm has laid down about its rounds for so many workers."""

    workers: int
    quorum: int
    limit: int
    accept: Callable[[int], bool]  # asked with the rounds since the worker read the centre
    tagged: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.quorum <= self.workers:
            raise ValueError(f"quorum={self.quorum}: must be in [1, {self.workers}] with {self.workers} workers")
        if not self.quorum <= self.limit <= self.workers:
            raise ValueError(
                f"limit={self.limit}: must be in [{self.quorum}, {self.workers}], the quorum and the workers"
            )

    @property
    def everyone(self) -> bool:
        """Whether a round can only begin when every worker that still trains has offered."""
        return self.quorum == self.workers


def rules(algorithm: Rounds, workers: int) -> Rules:
    """The rules of an algorithm on so many workers; raises ValueError where it cannot run on them."""
    algorithm.check(workers)
    kind = type(algorithm)
    if kind.local is not Rounds.local and kind.local_reads is Rounds.local_reads:
        raise TypeError(f"{algorithm.name} has a rule for local steps and does not say what it looks at: local_reads")
    if algorithm.optimizer_at is Place.CENTRE and kind.adopt is not Rounds.adopt:
        raise TypeError(f"{algorithm.name} has its optimizer at the centre, which workers take as it is: no adopt")
    if algorithm.gives_up and not (algorithm.waits and algorithm.departs is Moment.BACKWARD_ENDED):
        raise TypeError(f"{algorithm.name} gives up, but not every step of it ends with a gradient that is waited for")
    return Rules(
        workers=workers,
        quorum=algorithm.quorum(workers),
        limit=algorithm.limit(workers),
        accept=algorithm.accept,
        tagged=algorithm.tagged,
    )


def needed(quorum: int, active: int) -> int:
    """How many offers begin a round while `active` workers may offer or have offered: no more than there can be."""
    return min(quorum, active)


def over(rules: Rules, active: int) -> bool:
    """Whether training is over: nobody is left or, where steps are the rounds', too few for a whole one."""
    return active == 0 or (rules.tagged and active < rules.quorum)


def rotation(ready: Iterable[int], round: int, workers: int) -> list[int]:  # noqa: A002 - the round of the contract
    """Workers in the order in which round number `round` takes them."""
    return sorted(ready, key=lambda worker: (worker - round) % workers)


def select(
    staleness: Mapping[int, int],
    rules: Rules,
    *,
    round: int,  # noqa: A002
    active: int,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which of the offers are taken, in order of rank (none: no round begins), and which are dropped; others stay.

    `staleness` holds, for every worker with an offer, the rounds closed since it read the centre; `round` the rounds
    closed so far; `active` counts the workers that still train or whose last offer is still waiting.
    """
    if over(rules, active):
        return (), tuple(sorted(staleness))
    dropped = tuple(sorted(worker for worker, age in staleness.items() if not rules.accept(age)))
    standing = [worker for worker in staleness if worker not in dropped]
    if not standing or len(standing) < needed(rules.quorum, active):
        return (), dropped
    taken = rotation(standing, round, rules.workers)[: rules.limit]
    return tuple(sorted(taken)), dropped
