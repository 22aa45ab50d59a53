"""From a parameter's `grad` to the wire: who is ready, who left, and what went wrong on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from algorithms.mechanisms.flights import Flight
from algorithms.torch.header import Fault
from algorithms.torch.memory import like
from algorithms.torch.wire import Cargo, load


class Departures:
    """The gradients of one step after another. Hooks may run on autograd's own threads."""

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        frozen: Sequence[nn.Parameter],
        *,
        passes: int,
        weighted: bool,
        at_once: bool,
        flight: Callable[[], Flight[Cargo] | None],
        ready: Callable[[int], None],
    ) -> None:
        """`at_once`: gradients leave when their last pass has made them, not at the end of backward. `flight` opens
        this step's (None: there is nobody to send to); `ready` is told of each gradient.
        """
        self._parameters = parameters
        self._frozen = frozen
        self._passes = passes
        self._weighted = weighted
        self._at_once = at_once
        self._flight = flight
        self._told = ready
        self._lock = threading.RLock()
        self.weight: float | None = None
        self.fault = Fault.NONE
        self.sequence: list[int] = []  # the order in which backward made the gradients
        self._times = [0] * len(parameters)
        self._left: dict[int, tuple[torch.Tensor, int]] = {}  # gradient and its version when it left
        self._hooks: list[RemovableHandle] = [
            p.register_post_accumulate_grad_hook(self._hook(number))  # type: ignore[no-untyped-call]
            for number, p in enumerate(parameters)
        ]

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    @property
    def any_left(self) -> bool:
        return bool(self._left)

    @property
    def any_gradient(self) -> bool:
        return any(self._times)

    def forget(self) -> None:
        """A new step begins."""
        self.weight = None
        self.fault = Fault.NONE
        self.sequence = []
        self._times = [0] * len(self._parameters)
        self._left = {}

    def forget_gradients(self) -> None:
        """They were zeroed before they left: backward begins again."""
        with self._lock:
            self._times = [0] * len(self._parameters)

    def _hook(self, number: int) -> Callable[[torch.Tensor], None]:
        @torch.compiler.disable  # type: ignore[untyped-decorator]
        def gradient_ready(parameter: torch.Tensor) -> None:
            with self._lock:
                self._ready(number, parameter)

        hook: Callable[[torch.Tensor], None] = gradient_ready
        return hook

    def _ready(self, number: int, parameter: torch.Tensor) -> None:
        self._times[number] += 1
        if self._times[number] > self._passes:
            self.fault = self.fault or Fault.BACKWARD_AGAIN
            return
        if self._times[number] < self._passes:
            return
        self.sequence.append(number)
        self._told(number)
        gradient = parameter.grad
        assert gradient is not None
        if gradient.layout is not torch.strided:
            self.fault = self.fault or Fault.SPARSE
        elif self._at_once:
            self._send(number, gradient)

    def _send(self, number: int, gradient: torch.Tensor) -> None:
        parameter = self._parameters[number]
        dense = like(parameter, gradient)
        if dense is not gradient:
            parameter.grad = dense
        if self._weighted and self.weight is None:
            self.fault = self.fault or Fault.NOT_WEIGHED
        elif self.weight is not None:
            with torch.no_grad():
                dense.mul_(self.weight) if self.weight else dense.zero_()  # an empty batch may have made it NaN
        flight = self._flight()
        if flight is not None:
            flight.give(number, load(dense))
        self._left[number] = dense, dense._version

    def close(self) -> tuple[Fault, list[torch.Tensor], list[bool]]:
        """Backward has ended: send what has not left, zeros where there is nothing. The gradients, and who had one."""
        with self._lock:
            if self._weighted and self.weight is None:
                self.fault = self.fault or Fault.NOT_WEIGHED
            if any(p.grad is not None for p in self._frozen):
                self.fault = self.fault or Fault.UNFROZEN
            present = [p.grad is not None and self.weight != 0 for p in self._parameters]
            if not any(present) and self.weight != 0:
                self.fault = self.fault or Fault.NO_BACKWARD
            gradients = [self._close(number) for number in range(len(self._parameters))]
            return self.fault, gradients, present

    def _close(self, number: int) -> torch.Tensor:
        parameter = self._parameters[number]
        gradient = parameter.grad
        if number in self._left:
            sent, version = self._left[number]
            if gradient is not sent or sent._version != version:
                self.fault = self.fault or Fault.CHANGED
            return sent
        if gradient is None or gradient.layout is not torch.strided:
            gradient = parameter.grad = torch.zeros_like(parameter)
        self._send(number, gradient)
        return self._left[number][0]
