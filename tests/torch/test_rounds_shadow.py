"""The user's optimizer at the centre: another of its kind, which moves the centre instead of the model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from algorithms.torch.rounds.shadow import Shadow


class ThirdParty(torch.optim.SGD):
    """Keeps things of its own, as optimizers outside of torch do."""

    def __init__(self, parameters: list[nn.Parameter], lr: float, factor: float) -> None:
        super().__init__(parameters, lr=lr)
        self.factor = factor
        self.watched = {"all": list(parameters)}

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """As SGD, scaled."""
        with torch.no_grad():
            for parameter in self.watched["all"]:
                if parameter.grad is not None:
                    parameter -= self.factor * self.param_groups[0]["lr"] * parameter.grad


def test_what_a_subclass_keeps_is_at_the_centre_too() -> None:
    parameters = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.zeros(2))]
    users = ThirdParty(parameters, lr=0.5, factor=2.0)
    schedule = torch.optim.lr_scheduler.StepLR(users, 1)  # which puts a `step` of its own on the optimizer
    centre = [parameter.detach().clone() for parameter in parameters]
    gradients = [torch.ones(3), torch.ones(2)]
    shadow = Shadow(users, parameters, centre, gradients)
    shadow.link()
    shadow.step()
    assert [tensor.tolist() for tensor in centre] == [[0.0] * 3, [-1.0] * 2]
    assert parameters[0].tolist() == [1.0] * 3, "the model is where it was"
    assert schedule.optimizer is users
    assert users.watched["all"] == parameters
