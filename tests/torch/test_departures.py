"""Gradients on their way that others can reach: what changes them is found, and what changes nothing is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from algorithms.mechanisms.weighing import Weighing
from algorithms.torch.exchange.departures import Departures
from algorithms.torch.exchange.header import Fault


@pytest.mark.parametrize(
    ("touch", "fault"),
    [
        (lambda gradient: gradient.mul_(1.0), Fault.NONE),  # as clipping by an infinite norm does
        (lambda gradient: gradient.clamp_(-1e9, 1e9), Fault.NONE),
        (lambda gradient: gradient.mul_(0.5), Fault.CHANGED),
        (lambda gradient: gradient.zero_(), Fault.CHANGED),
    ],
    ids=["one", "wide", "half", "zero"],
)
def test_only_what_changes_a_travelling_gradient_is_a_mistake(
    touch: Callable[[torch.Tensor], object], fault: Fault
) -> None:
    parameter = nn.Parameter(torch.ones(4))
    held = parameter.grad = torch.zeros(4)  # as whoever keeps all gradients in one buffer holds them
    departures = Departures(
        [parameter],
        [],
        passes=1,
        weighted=False,
        weighing=Weighing(lambda weight: weight, for_good=False),
        at_once=True,
        alone=False,
        give=lambda number, gradient: None,
        begins=lambda: None,
        ready=lambda number: None,
    )
    (parameter * 2).sum().backward()
    assert departures.any_taken
    touch(held)
    assert departures.close().fault is fault
    departures.remove()
