"""Averages that the user sees, and may change, between backward and `step()`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from algorithms.torch.exchange.history import History, fingerprint


class Shown:
    """One step's averages, which the parameters have as their gradients before `step()`."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters
        self._before = fingerprint([parameter.grad for parameter in parameters])

    def applied(self, history: History) -> list[torch.Tensor | None]:
        """As the user has left them. Where they are others than before, all ranks must have made the same of them."""
        gradients = [parameter.grad for parameter in self._parameters]
        after = fingerprint(gradients)
        if after != self._before:
            history.add(after)
        return gradients
