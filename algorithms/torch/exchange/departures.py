"""From a parameter's `grad` to the wire: who is ready, who left, and what went wrong on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from algorithms.mechanisms.weighing import Weighing
from algorithms.torch.exchange import travelling
from algorithms.torch.exchange.header import Fault
from algorithms.torch.exchange.history import fingerprint
from algorithms.torch.memory import like


@dataclass(eq=False)
class Taken:
    """One gradient that its parameter has no more."""

    gradient: torch.Tensor  # nobody else can reach its memory
    home: torch.Tensor | None  # what the parameter had, where others can: the average goes there
    version: int = 0  # of that
    bits: tuple[int | None, ...] = ()  # and what it held: whoever changes nothing changes its version, too
    sent: bool = False


@dataclass(frozen=True)
class Closed:
    """What one rank made of one step."""

    fault: Fault
    gradients: list[torch.Tensor]
    present: list[bool]
    homes: dict[int, torch.Tensor]
    unit: float  # so many samples counted as one


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
        alone: bool,
        weighing: Weighing,
        give: Callable[[int, torch.Tensor], None],
        begins: Callable[[], None],
        ready: Callable[[int], None],
    ) -> None:
        """`at_once`: gradients leave when their last pass has made them, not at the end of backward. `alone`: there is
        nobody to send to, and they stay where they are. `give` puts one on this step's flight; `begins` is told before
        the step's first gradient, `ready` of each.
        """
        self._parameters = parameters
        self._frozen = frozen
        self._passes = passes
        self._weighted = weighted
        self._weighing = weighing
        self._at_once = at_once
        self._alone = alone
        self._give = give
        self._begins = begins
        self._told = ready
        self._lock = threading.RLock()
        self.weight: float | None = None
        self.forget()
        self._hooks: list[RemovableHandle] = [
            p.register_post_accumulate_grad_hook(self._hook(number))  # type: ignore[no-untyped-call]
            for number, p in enumerate(parameters)
        ]
        self._numbers = {id(p): number for number, p in enumerate(parameters)}

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    @property
    def any_taken(self) -> bool:
        return bool(self._taken)

    def has_taken(self, parameter: torch.Tensor) -> bool:
        return self._numbers[id(parameter)] in self._taken

    def forget(self) -> None:
        """A new step begins."""
        self.weight = None
        self._unit: float | None = None
        self.fault = Fault.NONE
        self.sequence: list[int] = []  # the order in which backward made the gradients
        self._times = [0] * len(self._parameters)
        self._taken: dict[int, Taken] = {}

    def forget_gradients(self) -> None:
        """They are not wanted, and have not left: backward begins again."""
        with self._lock:
            for number, taken in self._taken.items():
                travelling.put(self._parameters[number], taken.gradient if taken.home is None else taken.home)
            self.fault = Fault.NONE
            self.sequence = []
            self._times = [0] * len(self._parameters)
            self._taken = {}

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
        if not self.sequence:
            self._begins()
        self.sequence.append(number)
        self._told(number)
        gradient = travelling.own(parameter)
        assert gradient is not None
        if gradient.layout is not torch.strided:
            self.fault = self.fault or Fault.SPARSE
        elif not self._alone:
            del gradient  # or it would be taken for somebody else's
            self._take(number)
            if self._at_once:
                self._send(number)

    def _take(self, number: int) -> None:
        parameter = self._parameters[number]
        gradient, shared = travelling.take(parameter)
        if shared:
            copy = torch.empty_like(parameter, dtype=gradient.dtype).copy_(gradient.detach())
            self._taken[number] = Taken(copy, gradient, gradient._version, fingerprint([gradient]))
        else:
            self._taken[number] = Taken(like(parameter, gradient), None)

    def _send(self, number: int) -> None:
        taken = self._taken[number]
        if self._weighted:
            self._weigh(taken.gradient)
        self._give(number, taken.gradient)
        taken.sent = True

    def _weigh(self, gradient: torch.Tensor) -> None:
        if self._unit is None:  # those who were told no weight take part in this, too
            self._unit = self._weighing.unit(1.0 if self.weight is None else self.weight)
        if self.weight is None:
            self.fault = self.fault or Fault.NOT_WEIGHED
            return
        with torch.no_grad():  # an empty batch may have made it NaN
            gradient.mul_(self.weight / self._unit) if self.weight else gradient.zero_()

    def close(self) -> Closed:
        """Backward has ended: send what has not left, zeros where there is nothing."""
        with self._lock:
            if self._weighted and self.weight is None:
                self.fault = self.fault or Fault.NOT_WEIGHED
            if any(travelling.own(p) is not None for p in self._frozen):
                self.fault = self.fault or Fault.UNFROZEN
            present = [self._close(number) and self.weight != 0 for number in range(len(self._parameters))]
            if not any(present) and self.weight != 0:
                self.fault = self.fault or Fault.NO_BACKWARD
            taken = [self._taken[number] for number in range(len(self._parameters))]
            homes = {number: one.home for number, one in enumerate(taken) if one.home is not None}
            return Closed(self.fault, [one.gradient for one in taken], present, homes, self._unit or 1.0)

    def _close(self, number: int) -> bool:
        """Whether this parameter has a gradient."""
        parameter = self._parameters[number]
        gradient = travelling.own(parameter)
        taken = self._taken.get(number)
        if taken is not None:
            home = taken.home
            touched = home is not None and home._version != taken.version
            if (touched and fingerprint([home]) != taken.bits) or gradient is not None:
                self.fault = self.fault or Fault.CHANGED
        elif gradient is None or gradient.layout is not torch.strided:
            self._taken[number] = Taken(torch.zeros_like(parameter), None)
        else:
            del gradient
            self._take(number)
            gradient = self._taken[number].gradient
        if not self._taken[number].sent:
            self._send(number)
        return taken is not None or gradient is not None
