"""The user's optimizer at the centre: the same optimizer, over the centre's replica instead of the model."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algorithms.torch.rounds import options


def refuse_unfit(optimizer: torch.optim.Optimizer) -> None:
    """Raise ValueError for an optimizer that cannot run where there are gradients only."""
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ValueError(
            f"optimizer={type(optimizer).__name__}: its step needs a closure that evaluates the model again, so it cannot "
            "run at the centre; it must be one that needs gradients only, like SGD, RMSprop or Adam"
        )


class Shadow:
    """Steps the centre. Its state is shared with the user's optimizer, so that saving and loading go through that."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: Sequence[torch.nn.Parameter],
        centre: Sequence[torch.Tensor],
        gradients: Sequence[torch.Tensor],
    ) -> None:
        refuse_unfit(optimizer)
        self.users = optimizer
        self.replicas = {
            parameter: replica.requires_grad_() for parameter, replica in zip(parameters, centre, strict=True)
        }
        self.gradients = gradients
        self.has(np.ones(len(gradients), bool))
        self.optimizer = _twin(optimizer, self.replicas)
        self.optimizer.param_groups = [
            {
                **{key: copy.deepcopy(value) for key, value in group.items() if key != "params"},
                "params": [self.replicas[p] for p in group["params"] if p in self.replicas],
            }
            for group in optimizer.param_groups
        ]
        self.linked: object = None

    def link(self) -> None:
        """Share the state that the user's optimizer has now."""
        self.linked = self.users.state
        self.optimizer.state = type(self.users.state)(dict)
        for parameter, replica in self.replicas.items():
            self.optimizer.state[replica] = self.users.state[parameter]

    def check_link(self) -> None:
        """Raise if the user's optimizer has got another state since."""
        if self.linked is not self.users.state:
            raise RuntimeError(
                "the optimizer's state was replaced in the middle of training; load one that was saved while "
                "wrapped with the same algorithm, or load any other before the first step"
            )

    def has(self, present: NDArray[np.bool_]) -> None:
        """Which parameters have a gradient in the round: an optimizer leaves alone those that have none."""
        for replica, gradient, here in zip(self.replicas.values(), self.gradients, present.tolist(), strict=True):
            replica.grad = gradient if here else None

    def step(self) -> None:
        """Apply what lies in the gradients to the centre."""
        self.optimizer.step()

    def set_options(self, numbers: NDArray[np.float64]) -> None:
        options.write(self.optimizer, numbers)


def _twin(
    optimizer: torch.optim.Optimizer, replicas: Mapping[torch.nn.Parameter, torch.Tensor]
) -> torch.optim.Optimizer:
    """Another optimizer of its kind, with whatever its class keeps beside what every optimizer has."""
    twin = copy.copy(optimizer)  # which takes what `Optimizer.__getstate__` tells of, and no more
    for name, value in vars(optimizer).items():
        if name not in vars(twin) and name != "step":  # schedulers put one there, bound to the user's
            setattr(twin, name, _replaced(value, replicas))
    return twin


def _replaced(value: Any, replicas: Mapping[torch.nn.Parameter, torch.Tensor]) -> Any:
    """The same with the centre's replicas where the model's parameters were."""
    if isinstance(value, torch.nn.Parameter):
        return replicas.get(value, value)
    if type(value) in (list, tuple, set):
        return type(value)(_replaced(part, replicas) for part in value)
    if type(value) is dict:
        return {_replaced(key, replicas): _replaced(part, replicas) for key, part in value.items()}
    return value
