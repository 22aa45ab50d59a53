"""A parameter whose update is to come settles it when its values are looked at, and not before."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from algorithms.torch.exchange.pending import Pending


@pytest.fixture
def held() -> tuple[nn.Linear, list[nn.Parameter]]:
    layer = nn.Linear(3, 2)
    settled: list[nn.Parameter] = []

    def settle(parameter: nn.Parameter) -> None:
        pending.release([parameter])
        settled.append(parameter)
        with torch.no_grad():
            parameter.fill_(7.0)

    pending = Pending(settle)
    pending.hold(layer.parameters())
    return layer, settled


HARMLESS: list[Callable[[nn.Parameter], Any]] = [
    lambda p: p.grad,
    lambda p: setattr(p, "grad", None),
    lambda p: p.shape,
    lambda p: (p.dtype, p.device, p.requires_grad, p.is_leaf, p.ndim, p.layout, p.is_sparse),
    lambda p: (p.size(), p.numel(), p.dim(), p.stride(), p.element_size()),
    lambda p: p in {p},
    lambda p: isinstance(p, nn.Parameter),
    lambda p: p.requires_grad_(True),
    lambda p: p.register_post_accumulate_grad_hook(lambda q: None),
]
READS: list[Callable[[nn.Parameter], Any]] = [
    lambda p: p + 0,
    lambda p: p.data.clone(),
    lambda p: p.detach().clone(),
    lambda p: p.detach().numpy().copy(),
    lambda p: copy.deepcopy(p),
    lambda p: p.tolist(),
    lambda p: torch.stack([p, p])[0],
    lambda p: torch.load(save(p)),
    lambda p: p.view(-1),
    lambda p: torch.addmm(torch.zeros(2, 3), torch.ones(2, 2), torch.zeros(2, 3), out=None) + p.data,
]


def save(p: nn.Parameter) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(p, file)
    file.seek(0)
    return file


@pytest.mark.parametrize("look", HARMLESS)
def test_what_is_no_value_does_not_wait(
    look: Callable[[nn.Parameter], Any], held: tuple[nn.Linear, list[nn.Parameter]]
) -> None:
    layer, settled = held
    look(layer.weight)
    assert not settled


@pytest.mark.parametrize("read", READS)
def test_every_way_to_a_value_settles_first(
    read: Callable[[nn.Parameter], Any], held: tuple[nn.Linear, list[nn.Parameter]]
) -> None:
    layer, settled = held
    value = torch.as_tensor(read(layer.weight)).detach().reshape(-1)
    assert torch.equal(value, torch.full((6,), 7.0))
    assert [id(p) for p in settled] == [id(layer.weight)]
    assert type(layer.weight) is nn.Parameter
    assert type(layer.bias) is not nn.Parameter, "only what was looked at"


def test_the_forward_of_the_module_settles_all_it_uses(held: tuple[nn.Linear, list[nn.Parameter]]) -> None:
    layer, settled = held
    assert layer(torch.ones(1, 3)).tolist() == [[28.0, 28.0]]
    assert len(settled) == 2


def test_a_copy_of_a_module_is_an_ordinary_module(held: tuple[nn.Linear, list[nn.Parameter]]) -> None:
    layer, _ = held
    twin = copy.deepcopy(layer)
    assert all(type(p) is nn.Parameter for p in [*twin.parameters(), *layer.parameters()])
    assert torch.equal(twin.weight, torch.full((2, 3), 7.0))


def test_gradients_flow_as_ever(held: tuple[nn.Linear, list[nn.Parameter]]) -> None:
    layer, _ = held
    layer(torch.ones(1, 3)).sum().backward()
    assert torch.equal(layer.weight.grad, torch.ones(2, 3))
    assert type(layer.weight.grad) is torch.Tensor
