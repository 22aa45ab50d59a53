"""The bare torch optimizer with the few verbs that wrapped ones have beside it, so that one loop drives both."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


class Bare:
    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups

    def attempt(self) -> AbstractContextManager[object]:
        return nullcontext()

    def zero_grad(self) -> None:
        self.optimizer.zero_grad()

    def step(self) -> None:
        self.optimizer.step()

    def finish(self) -> None:
        """Nothing is ever in flight."""

    def evaluation(self) -> AbstractContextManager[object]:
        return nullcontext()

    def state_dict(self) -> dict[str, Any]:
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state)

    def watch(self, watcher: object) -> bool:
        return True  # nothing travels
