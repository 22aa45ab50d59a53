"""A parameter whose gradient travels has none, and who asks for it, in whatever way, is first waited for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from algorithms.torch.exchange import travelling
from algorithms.torch.exchange.history import fingerprint
from algorithms.torch.exchange.travelling import Travelling

ASKS: list[Callable[[nn.Linear], Any]] = [
    lambda layer: layer.weight.grad,
    lambda layer: layer.bias.grad,
    lambda layer: setattr(layer.weight, "grad", None),
    lambda layer: layer.zero_grad(),
    lambda layer: nn.utils.clip_grad_norm_(layer.parameters(), 1.0),
    lambda layer: torch.optim.SGD(layer.parameters()).step(),
    lambda layer: torch.amp.GradScaler("cpu").scale(torch.ones(1)) is None or layer.weight.grad,
]
OTHERS: list[Callable[[nn.Linear], Any]] = [
    lambda layer: layer(torch.ones(1, 3)).sum().backward(),
    lambda layer: layer.state_dict(),
    lambda layer: layer.weight.data.add_(1.0),
    lambda layer: layer.weight.detach().numpy(),
    lambda layer: isinstance(layer.weight, nn.Parameter),
    lambda layer: copy.deepcopy(layer).weight.grad,
]


@pytest.fixture
def held() -> tuple[nn.Linear, list[torch.Tensor]]:
    layer = nn.Linear(3, 2)
    asked: list[torch.Tensor] = []

    def land(parameter: torch.Tensor) -> None:
        marks.release()
        asked.append(parameter)
        for each in layer.parameters():
            each.grad = torch.full_like(each, 7.0)

    marks = Travelling(land)
    marks.hold(layer.parameters())
    return layer, asked


@pytest.mark.parametrize("ask", ASKS)
def test_asking_waits_once(ask: Callable[[nn.Linear], Any], held: tuple[nn.Linear, list[torch.Tensor]]) -> None:
    layer, asked = held
    ask(layer)
    assert len(asked) == 1
    assert type(layer.weight) is nn.Parameter


@pytest.mark.parametrize("use", OTHERS)
def test_everything_else_does_not(use: Callable[[nn.Linear], Any], held: tuple[nn.Linear, list[torch.Tensor]]) -> None:
    layer, asked = held
    use(layer)
    assert not asked
    assert type(copy.deepcopy(layer).weight) is nn.Parameter


def test_memory_that_others_reach_is_found() -> None:
    def shared(prepare: Callable[[nn.Parameter], Any]) -> bool:
        parameter = nn.Parameter(torch.ones(4))
        kept = prepare(parameter)
        (parameter * 2).sum().backward()
        gradient, found = travelling.take(parameter)
        assert parameter.grad is None
        del kept, gradient
        return found

    def flat(parameter: nn.Parameter) -> torch.Tensor:
        everything = torch.zeros(8)
        parameter.grad = everything[:4]
        return everything

    def alias(parameter: nn.Parameter) -> torch.Tensor:
        parameter.grad = torch.zeros(4)
        return parameter.grad

    def detached(parameter: nn.Parameter) -> torch.Tensor:
        parameter.grad = torch.zeros(4)
        return parameter.grad.detach()

    def zeroed(parameter: nn.Parameter) -> None:
        parameter.grad = torch.zeros(4)

    assert [shared(prepare) for prepare in (flat, alias, detached)] == [True] * 3
    assert [shared(prepare) for prepare in (lambda parameter: None, zeroed)] == [False] * 2


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64], ids=str
)
def test_fingerprints_see_every_change_and_nothing_else(dtype: torch.dtype) -> None:
    gradient = torch.randn(7, 3).to(dtype)
    before = fingerprint([gradient, None])
    gradient.mul_(1.0)
    assert fingerprint([gradient, None]) == before
    for change in (lambda: gradient.mul_(0.5), lambda: gradient.neg_(), lambda: gradient[3].zero_()):
        change()
        after = fingerprint([gradient, None])
        assert after != before
        before = after
    assert fingerprint([None, gradient]) != before


def test_parameters_that_answer_for_themselves_are_refused() -> None:
    class Own(nn.Parameter):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return super().__torch_function__(func, types, args, kwargs or {})

    with pytest.raises(ValueError, match="own is a Own, which has a __torch_function__"):
        travelling.refuse_unfit([("own", Own(torch.ones(1)))])
