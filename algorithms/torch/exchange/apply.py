"""Averages become updates: all together, or layer by layer after backward. (Before the next use: `next_use`.)"""

from __future__ import annotations

from typing import Protocol

import torch

from algorithms.contract import Exchange, Finish
from algorithms.torch.driver import Attached
from algorithms.torch.exchange import layers
from algorithms.torch.exchange.departed import Departed
from algorithms.torch.exchange.next_use import NextUse
from algorithms.torch.exchange.profile import Stopwatch
from algorithms.torch.exchange.views import Views
from algorithms.torch.memory import flat

CHUNK = 1 << 20  # elements that are corrected at once, so that intermediate results stay small


class Applied(Protocol):
    """When and in which order averages are applied."""

    def step(self, departed: Departed | None, due: Departed | None) -> None:
        """`departed` has just left, `due` must be applied; without a delay they are the same."""

    def settle(self) -> None:
        """Apply what has been put off."""

    def detach(self) -> None: ...


def applied(algorithm: Exchange, attached: Attached, stopwatch: Stopwatch) -> Applied:
    """The way that the algorithm asks for. A single worker has nothing to wait for, and a norm is that of all layers."""
    if algorithm.finish is Finish.TOGETHER or attached.workers == 1:
        return Together(algorithm, attached)
    if algorithm.delay:
        raise ValueError(f"{algorithm.name}: a delay and {algorithm.finish} do not go together")
    if algorithm.finish is Finish.NEXT_USE:
        return NextUse(algorithm.name, attached, stopwatch)
    if attached.clip_norm is not None:
        return Together(algorithm, attached)
    return LayerByLayer(attached, as_they_land=algorithm.finish is Finish.COMPLETION)


class Together:
    """One step of the user's optimizer for everything."""

    def __init__(self, algorithm: Exchange, attached: Attached) -> None:
        self._algorithm = algorithm
        self._attached = attached

    def step(self, departed: Departed | None, due: Departed | None) -> None:
        parameters = self._attached.parameters
        if departed is not None and due is not departed:  # delayed gradients belong to their flight alone
            departed.homes.clear()
            for parameter in parameters:
                parameter.grad = None
        landed = due.land(range(len(parameters))) if due is not None else {}
        freed = self._correct(due, landed) if due is not None else None
        if departed is not None and self._algorithm.compares_parameters:
            departed.then = [p.detach().clone() for p in parameters] if freed is None else freed
            torch._foreach_copy_(departed.then, [p.detach() for p in parameters])
        if due is None:
            return
        for number, parameter in enumerate(parameters):
            parameter.grad = landed.get(number)
        if self._attached.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self._attached.clip_norm)
        self._attached.optimizer.step()

    def _correct(self, due: Departed, landed: dict[int, torch.Tensor]) -> list[torch.Tensor] | None:
        """Mend what the delay did, in place; the memory that held the old parameters is free then."""
        if due.then is None:
            return None
        for number, gradient in landed.items():
            parts = [flat(t) for t in (gradient, self._attached.parameters[number], due.then[number])]
            for g, now, then in zip(*(torch.split(part, CHUNK) for part in parts if part is not None), strict=True):
                g.copy_(self._algorithm.correct(g, now, then))
        freed, due.then = due.then, None
        return freed

    def settle(self) -> None:
        pass

    def detach(self) -> None:
        pass


class LayerByLayer:
    """After backward, one layer after the other: in the order in which backward made them, or as they land."""

    def __init__(self, attached: Attached, *, as_they_land: bool) -> None:
        self._parameters = attached.parameters
        self._layers = layers.find(attached.model, attached.parameters)
        self._views = Views(attached.optimizer, attached.parameters)
        self._as_they_land = as_they_land

    def step(self, departed: Departed | None, due: Departed | None) -> None:
        assert due is not None
        due.answer()
        made = [self._layers.of[number] for number in due.sequence]
        order = [self._layers.members[layer] for layer in dict.fromkeys([*made, *range(len(self._layers.members))])]
        while order:
            ready = due.any_landed(order) if self._as_they_land else order[:1]
            for members in ready:
                landed = due.land(members)
                for number in members:
                    self._parameters[number].grad = landed.get(number)
                self._views.apply(self._parameters[number] for number in landed)
                order.remove(members)

    def settle(self) -> None:
        pass

    def detach(self) -> None:
        pass
