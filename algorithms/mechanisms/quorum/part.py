"""What a round that begins means for one worker: whether it is in it, and what the rules may know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from algorithms.contract import Situation
from algorithms.mechanisms.quorum.ballot import Terms, Verdict


@dataclass(frozen=True)
class Part:
    """One worker's, in one round."""

    present: bool  # what it offered is in the round
    share: float  # what its gradient is multiplied by, so that a mean over workers is one over samples; 0: it has none
    offering: Situation  # for `offer`
    closing: Situation  # for `close` and `combine`, the same on every worker

    @property
    def weighs(self) -> bool:
        """Whether it has something to add to a sum of gradients."""
        return self.share > 0


def part_in(verdict: Verdict, worker: int, *, workers: int, rate: float) -> Part:
    """A worker's part in the round that the verdict begins, under this learning rate."""
    closing = Situation(workers=workers, round=verdict.round, contributions=len(verdict.taken), learning_rate=rate)
    place = next((i for i, offer in enumerate(verdict.taken) if offer.worker == worker), None)
    if place is None:
        return Part(present=False, share=0.0, offering=closing, closing=closing)
    age = verdict.round - verdict.taken[place].read
    offering = replace(closing, contributions=1, staleness=age)
    return Part(present=True, share=_share(verdict.terms, place), offering=offering, closing=closing)


def _share(terms: Sequence[Terms], mine: int) -> float:
    weights = [term.weight for term in terms]
    return 1.0 if min(weights) == max(weights) else float(weights[mine] * len(weights) / sum(weights))
