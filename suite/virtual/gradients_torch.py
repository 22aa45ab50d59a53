"""The virtual cluster's source of gradients: passes of a net over the workers' batches, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from algorithms.virtual.gradients import Share
from suite.virtual.batches import Batches
from suite.virtual.net_torch import FlatNet, Portion

# Samples in one pass: more gain nothing, and their layers' outputs leave the cache. The sums are formed pass by pass
# whatever computes them, so that their last bits do not depend on it.
PASS = 256

Told = Callable[[int, int, float], None]  # worker, number of its batch, loss


class InThisProcess:
    """Computes what it is asked for when it is asked for."""

    looks_ahead = False

    def __init__(self, net: FlatNet, batches: Batches, told: Told) -> None:
        self.net, self.batches, self.told = net, batches, told

    def __call__(self, worker: int, step: int, parameters: Tensor) -> Tensor:
        return self.total([Share(worker, step, 1.0)], parameters)

    def total(self, shares: Sequence[Share], parameters: Tensor) -> Tensor:
        total: Tensor | None = None
        for those in passes(shares, self.batches, self.net.joins):
            gradient, losses = one_pass(self.net, self.batches, those, parameters)
            for share, loss in zip(those, losses, strict=True):
                self.told(share.worker, share.step, loss)
            total = gradient if total is None else total.add_(gradient)
        assert total is not None
        return total

    def ahead(self, worker: int, step: int, parameters: Tensor) -> None:
        """Nobody else could compute it meanwhile."""


def passes(shares: Sequence[Share], batches: Batches, joins: bool) -> Iterator[list[Share]]:
    """Whole workers' batches, as many as fit a pass; one by one where they may not be joined. Steps become the numbers
    of batches."""
    held: list[Share] = []
    size = 0
    for share in shares:
        more = batches.count(share.worker, share.step)
        if held and (not joins or size + more > PASS):
            yield held
            held, size = [], 0
        held.append(share._replace(step=batches.number(share.worker, share.step)))
        size += more
    yield held


def one_pass(net: FlatNet, batches: Batches, shares: Sequence[Share], parameters: Tensor) -> tuple[Tensor, list[float]]:
    """Shares as `passes` has them."""
    portions = [Portion(one.worker, one.step, batches.batch(one.worker, one.step), one.factor) for one in shares]
    return net.gradient(parameters, portions)
