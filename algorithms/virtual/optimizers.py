"""The user's optimizer as torch and Keras define it: a rule from (parameters, gradient, state) to new ones.

Plain operators only: a vector is NumPy's, or anything else that has them. Nothing that was given is written to, so that
any number of workers may hold one vector; what a step makes anew it goes on with in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from algorithms.mechanisms.validation import flag, real

Vector = Any  # one axis of floats: numpy.ndarray, torch.Tensor
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
            gradient = _plus(x * self.weight_decay, gradient)
        if not self.momentum:
            return _plus(gradient * -self.learning_rate, x), slots
        buffer = _plus(slots[0] * self.momentum, gradient)
        direction = _plus(buffer * self.momentum, gradient) if self.nesterov else buffer
        return _plus(direction * -self.learning_rate, x), (buffer,)


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
        corrected = (square / (1 - self.betas[1] ** steps)) ** 0.5 + self.epsilon
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
        buffer = self.momentum * slots[1] + gradient / (square**0.5 + self.epsilon)
        return x - self.learning_rate * buffer, (square, buffer)


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """Another optimizer whose learning rate is a function of the steps that it has taken."""

    optimizer: SGD | AdamW | RMSProp
    rate_at: Callable[[int], float]

    @property
    def learning_rate(self) -> float:
        return self.rate_at(0)

    def begin(self, x: Vector) -> Slots:
        return (0.0, *self.optimizer.begin(x))

    def step(self, x: Vector, gradient: Vector, slots: Slots) -> tuple[Vector, Slots]:
        now = replace(self.optimizer, learning_rate=self.rate_at(int(slots[0])))
        moved, inner = now.step(x, gradient, slots[1:])
        return moved, (slots[0] + 1, *inner)


def rate(optimizer: Optimizer, slots: Slots) -> float:
    """The learning rate of the step that comes next."""
    return optimizer.rate_at(int(slots[0])) if isinstance(optimizer, Scheduled) else optimizer.learning_rate


def _plus(fresh: Vector, other: Vector) -> Vector:
    """Their sum, in the place of the first, which nobody else holds."""
    fresh += other
    return fresh
