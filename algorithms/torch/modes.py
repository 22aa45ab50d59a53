"""Optimizers that train and evaluate at different points, as schedule-free ones."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from algorithms.contract import Algorithm, Rounds
from algorithms.torch.driver import Driver


@runtime_checkable
class HasModes(Protocol):
    """An optimizer with points of its own for training and for evaluation."""

    def train(self) -> None: ...

    def eval(self) -> None: ...


def switch(driver: Driver, algorithm: Algorithm, *, training: bool) -> None:
    """Have the wrapped optimizer change its mode, where it has some. ValueError where the algorithm moves it, too."""
    optimizer = driver.optimizer
    if not isinstance(optimizer, HasModes):
        return
    if isinstance(algorithm, Rounds):
        raise ValueError(
            f"{type(optimizer).__name__} moves parameters in train() and eval(), where {algorithm.name} does, "
            "too: use evaluation(), or an algorithm that averages gradients"
        )
    driver.settle()
    optimizer.train() if training else optimizer.eval()
