"""The user's optimizer in NumPy, as torch and Keras define it: a rule from (parameters, gradient, state) to new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.mechanisms.validation import flag, real

Vector = NDArray[np.floating[Any]]
Slots = tuple[Vector | float, ...]


class Optimizer(Protocol):
    """Frozen hyper-parameters; the state is the caller's, so that any number of replicas can be moved."""

    @property
    def learning_rate(self) -> float: ...

    def begin(self, x: Vector) -> Slots:
        """The state before the first step."""
        ...

    def step(self, x: Vector, gradient: Vector, slots: Slots) -> tuple[Vector, Slots]:
        """Parameters and state after a step."""
        ...


@dataclass(frozen=True, kw_only=True)
class SGD:
    """torch.optim.SGD: b ← μ b + g (b = g at first),  x ← x - η b,  or with Nesterov x ← x - η (g + μ b)."""

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        real("learning_rate", self.learning_rate, 0)
        real("momentum", self.momentum, 0)
        flag("nesterov", self.nesterov)
        real("weight_decay", self.weight_decay, 0)

    def begin(self, x: Vector) -> Slots:
        return (x * 0,) if self.momentum else ()

    def step(self, x: Vector, gradient: Vector, slots: Slots) -> tuple[Vector, Slots]:
        if self.weight_decay:
            gradient = gradient + self.weight_decay * x
        if not self.momentum:
            return x - self.learning_rate * gradient, slots
        buffer = self.momentum * slots[0] + gradient
        direction = gradient + self.momentum * buffer if self.nesterov else buffer
        return x - self.learning_rate * direction, (buffer,)


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """torch.optim.AdamW; `weight_decay` = 0 is Adam."""

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        real("learning_rate", self.learning_rate, 0)
        for i, beta in enumerate(self.betas):
            real(f"betas[{i}]", beta, 0, 1, high_allowed=False)
        real("epsilon", self.epsilon, 0)
        real("weight_decay", self.weight_decay, 0)

    def begin(self, x: Vector) -> Slots:
        return (0.0, x * 0, x * 0)

    def step(self, x: Vector, gradient: Vector, slots: Slots) -> tuple[Vector, Slots]:
        steps, mean, square = slots[0] + 1, slots[1], slots[2]
        mean = self.betas[0] * mean + (1 - self.betas[0]) * gradient
        square = self.betas[1] * square + (1 - self.betas[1]) * gradient * gradient
        corrected = np.sqrt(square / (1 - self.betas[1] ** steps)) + self.epsilon
        rate = self.learning_rate / (1 - self.betas[0] ** steps)
        return x * (1 - self.learning_rate * self.weight_decay) - rate * mean / corrected, (steps, mean, square)


@dataclass(frozen=True, kw_only=True)
class RMSProp:
    """torch.optim.RMSprop: s ← ρ s + (1 - ρ) g²,  b ← μ b + g/(√s + ε),  x ← x - η b."""

    learning_rate: float = 0.01
    decay: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        real("learning_rate", self.learning_rate, 0)
        real("decay", self.decay, 0, 1, high_allowed=False)
        real("momentum", self.momentum, 0)
        real("epsilon", self.epsilon, 0)

    def begin(self, x: Vector) -> Slots:
        return (x * 0, x * 0)

    def step(self, x: Vector, gradient: Vector, slots: Slots) -> tuple[Vector, Slots]:
        square = self.decay * slots[0] + (1 - self.decay) * gradient * gradient
        buffer = self.momentum * slots[1] + gradient / (np.sqrt(square) + self.epsilon)
        return x - self.learning_rate * buffer, (square, buffer)
