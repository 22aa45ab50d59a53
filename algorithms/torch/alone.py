"""No exchange at all."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from algorithms.contract import Exchange
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.torch.driver import Attached


class AloneDriver:
    """The user's optimizer as it is, counted."""

    takes_scale = False

    def __init__(self, algorithm: Exchange, attached: Attached) -> None:
        self._algorithm = algorithm
        self._attached = attached
        self._steps = 0
        self._samples = 1.0

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self._attached.optimizer

    def weigh(self, samples: float) -> None:
        self._samples = samples

    def zero_grad(self, set_to_none: bool) -> None:
        self.optimizer.zero_grad(set_to_none)

    def attempt(self) -> AbstractContextManager[None]:
        return nullcontext()

    def synchronize(self) -> None:
        raise ValueError("synchronize(): no_communication averages no gradients")

    def step(self, *, overflowed: bool = False) -> None:
        self._steps += 1
        if not self._samples:
            return
        if self._attached.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._attached.parameters, self._attached.clip_norm)
        self.optimizer.step()

    def settle(self) -> None:
        pass

    def finish(self) -> None:
        pass

    def evaluation(self) -> AbstractContextManager[None]:
        return nullcontext()

    def shared(self) -> tuple[tuple[str, torch.Tensor], ...]:
        return ()

    def telemetry(self) -> Telemetry:
        return Telemetry(steps=self._steps, memory_declared=self._algorithm.memory())

    def watch(self, watcher: Watcher) -> bool:
        return True  # nothing travels

    def state_dict(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.optimizer.state_dict(), {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    def go_on(self, lead: dict[str, Any], own: dict[str, Any] | None) -> None:
        pass

    def detach(self, *, at_once: bool = False) -> None:
        pass
