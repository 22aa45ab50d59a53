"""Which driver runs an algorithm."""

from __future__ import annotations

from algorithms.contract import Algorithm, Exchange, Rounds
from algorithms.no_communication import NoCommunication
from algorithms.stock_horovod import StockHorovod
from algorithms.torch.alone import AloneDriver
from algorithms.torch.driver import Attached, Driver
from algorithms.torch.exchange.driver import ExchangeDriver
from algorithms.torch.stock import StockDriver


def driver_of(algorithm: Algorithm, attached: Attached) -> Driver:
    """Made for this optimizer and model. ValueError for what PyTorch cannot do."""
    if isinstance(algorithm, NoCommunication):
        return AloneDriver(algorithm, attached)
    if isinstance(algorithm, StockHorovod):
        return StockDriver(algorithm, attached)
    if isinstance(algorithm, Exchange):
        return ExchangeDriver(algorithm, attached)
    if isinstance(algorithm, Rounds):
        from algorithms.torch.rounds.driver import RoundsDriver  # only those who meet pay for it

        return RoundsDriver(algorithm, attached)
    raise ValueError(f"{algorithm.name}: PyTorch cannot do this")
