"""Which driver runs an algorithm."""

from __future__ import annotations

from algorithms.contract import Algorithm, Exchange, Rounds
from algorithms.tensorflow.driver import Attached, Driver
from algorithms.tensorflow.exchange.driver import ExchangeDriver
from algorithms.tensorflow.rounds.driver import RoundsDriver


def driver_of(algorithm: Algorithm, attached: Attached) -> Driver:
    """Made for this optimizer. ValueError for what TensorFlow cannot do."""
    if isinstance(algorithm, Exchange):
        return ExchangeDriver(algorithm, attached)
    if isinstance(algorithm, Rounds):
        return RoundsDriver(algorithm, attached)
    raise ValueError(f"algorithm={algorithm!r}: this binding cannot run it")
