"""Each layer is updated right before it is used again, so that its exchange hides behind the next forward too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from algorithms.torch.driver import Attached
from algorithms.torch.exchange import layers, onlookers
from algorithms.torch.exchange.departed import Departed
from algorithms.torch.exchange.pending import Pending
from algorithms.torch.exchange.profile import Stopwatch
from algorithms.torch.exchange.views import Options, Views
from algorithms.torch.hooks import Hook

TOGETHER = 1 << 18  # elements: a larger layer's update takes as long alone, and is better done when it is needed
HABIT = 3  # steps, one after the other, behind which somebody reads parameters before the next forward


class NextUse:
    """Hooks before the modules' forwards wait for their layers; any other use of a parameter is caught by `Pending`."""

    def __init__(self, name: str, attached: Attached, stopwatch: Stopwatch) -> None:
        self._name = name
        self._parameters = attached.parameters
        self._clip_norm = attached.clip_norm
        self._stopwatch = stopwatch
        self._refuse(attached)
        self._layers = layers.find(attached.model, attached.parameters)
        self._views = Views(attached.optimizer, attached.parameters)
        self._index = {id(parameter): number for number, parameter in enumerate(attached.parameters)}
        kinds = dict.fromkeys(parameter.device.type for parameter in attached.parameters)
        self._kinds = [kind for kind in kinds if torch.amp.is_autocast_available(kind)]
        self._pending = Pending(self._used_elsewhere)
        self._due: Departed | None = None
        self._unclipped: float | None = None  # what the step under way is to be clipped to
        self._options: Options = []
        self._waiting: set[int] = set()  # layers
        self._between = False  # a step and the next forward
        self._read = False  # a parameter, there
        self._habit = 0  # steps, one after the other, behind which somebody did
        self._told = False
        self._hooks = [attached.model.register_forward_pre_hook(Hook(self._enter))]
        self._hooks += [module.register_forward_pre_hook(Hook(self._hook(used))) for module, used in self._layers.users]

    @staticmethod
    def _refuse(attached: Attached) -> None:
        for name, parameter in zip(attached.names, attached.parameters, strict=True):
            if type(parameter) is not nn.Parameter:
                raise ValueError(
                    f"{name} is a {type(parameter).__name__}: layerwise(order='forward') can wait for an nn.Parameter "
                    "only; use another order"
                )
        for name, module in attached.model.named_modules():
            if module._compiled_call_impl is not None:
                raise ValueError(
                    f"{name or 'the model'} was compiled in place: layerwise(order='forward') must wait before it is "
                    "entered; use torch.compile(model) and give what it returns, or another order"
                )

    def step(self, departed: Departed | None, due: Departed | None) -> None:
        assert due is not None and not self._waiting
        due.homes.clear()  # the next step's gradients may come before these have landed
        for parameter in self._parameters:
            parameter.grad = None
        self._due = due
        self._unclipped = self._clip_norm
        self._options = self._views.options()
        self._waiting = set(range(len(self._layers.members)))
        self._pending.hold(self._parameters)
        self._between, self._read = True, False

    def settle(self) -> None:
        while self._waiting:
            self._settle(min(self._waiting))

    def detach(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._pending.release(self._parameters)
        self._waiting.clear()
        self._due = None

    def _hook(self, used: tuple[int, ...]) -> Callable[[nn.Module, Any], None]:
        @torch.compiler.disable  # type: ignore[untyped-decorator]
        def about_to_use(module: nn.Module, inputs: Any) -> None:
            self._enter()
            for layer in used:
                if layer in self._waiting:
                    self._settle(layer)
                else:
                    self._stopwatch.used(self._layers.members[layer])

        hook: Callable[[nn.Module, Any], None] = about_to_use
        return hook

    def _enter(self, *_: object) -> None:
        """The forward begins."""
        if self._between and not self._read:
            self._habit = 0
        self._between = False

    def _used_elsewhere(self, parameter: nn.Parameter) -> None:
        if self._between and not self._read:
            self._read = True
            self._habit += 1
            if self._habit == HABIT and not self._told:
                self._told = True
                onlookers.warn_of_reading(self._name)
        layer = self._layers.of[self._index[id(parameter)]]
        if layer in self._waiting:
            self._settle(layer)
        else:
            self._pending.release([parameter])

    def _settle(self, layer: int) -> None:
        """Wait for one layer, and update it with the small ones that have landed."""
        self._stopwatch.used(self._layers.members[layer])
        assert self._due is not None
        if self._unclipped is not None:
            self._clip(self._due, self._unclipped)
        self._due.wait(self._layers.members[layer])
        ready = [layer, *self._landed(self._due, but=layer)]
        members = [number for other in ready for number in self._layers.members[other]]
        parameters = [self._parameters[number] for number in members]
        landed = self._due.land(members)
        # From here on nothing can fail for want of a network: the layers are as good as updated.
        self._waiting.difference_update(ready)
        self._pending.release(parameters)
        accumulated = [parameter.grad for parameter in parameters]
        with self._as_in_step():
            for number, parameter in zip(members, parameters, strict=True):
                parameter.grad = landed.get(number)
            self._views.apply((self._parameters[number] for number in landed), self._options)
        for parameter, gradient in zip(parameters, accumulated, strict=True):
            parameter.grad = gradient
        if not self._waiting:
            self._due = None

    @contextmanager
    def _as_in_step(self) -> Iterator[None]:
        """What the forward is in, which layers are updated within, is no affair of the optimizer's."""
        with ExitStack() as modes:
            for kind in self._kinds:
                modes.enter_context(torch.autocast(kind, enabled=False))
            modes.enter_context(torch.inference_mode(False))
            modes.enter_context(torch.no_grad())
            yield

    def _clip(self, due: Departed, norm: float) -> None:
        """The norm is that of all layers, so the first of them waits for the last."""
        gradients = due.all_landed().present()
        with self._as_in_step():
            # as `torch.nn.utils.clip_grad_norm_`, which wants parameters that have them
            scale = torch.clamp(norm / (nn.utils.get_total_norm(gradients) + 1e-6), max=1.0)
            torch._foreach_mul_(gradients, scale)
        self._unclipped = None

    def _landed(self, due: Departed, but: int) -> Iterator[int]:
        """Layers that can be updated as well: one step of the optimizer for many small ones costs less than many."""
        room = TOGETHER
        for layer in sorted(self._waiting - {but}):
            members = self._layers.members[layer]
            elements = sum(self._parameters[number].numel() for number in members)
            if elements <= room and due.has_landed(members):
                room -= elements
                yield layer
