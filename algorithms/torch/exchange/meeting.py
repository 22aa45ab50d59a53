"""Where all ranks come to an end: what else is under way in this process must not be answered by it."""

from __future__ import annotations

from weakref import WeakSet

from algorithms.mechanisms.flights import Courier
from algorithms.torch import collectives
from algorithms.torch.exchange.wire import Cargo

couriers: WeakSet[Courier[Cargo]] = WeakSet()  # of all optimizers


def meet() -> None:
    """Until every rank is here. A rank that has come answers what others exchange with zeros, whosever it is.

    So the gradients of this rank's other optimizers land first: what all ranks have given, all wait for here.
    """
    for courier in list(couriers):
        courier.quiet()
    collectives.meet()
