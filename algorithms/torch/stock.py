"""Horovod's own optimizer, untouched: the control."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import horovod.torch as hvd
import torch
from torch.utils.hooks import RemovableHandle

from algorithms.contract import Exchange
from algorithms.mechanisms.errors import TrainingError
from algorithms.mechanisms.process_sets import NO_CONTROL
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.torch import collectives
from algorithms.torch.driver import Attached
from algorithms.torch.exchange import meeting, travelling
from algorithms.torch.exchange.header import SAID, Fault
from algorithms.torch.exchange.history import History, compare
from algorithms.torch.exchange.shown import Shown
from algorithms.torch.exchange.travelling import Travelling
from algorithms.torch.memory import size_in_bytes


@dataclass(frozen=True, eq=False)
class Left:
    """A gradient that Horovod has been given, as it was then."""

    gradient: torch.Tensor
    version: int
    storage: int  # parts of one tensor have the same


class StockDriver:
    """`hvd.DistributedOptimizer`, used as its documentation says; its wait is timed, and gradients are seen averaged."""

    takes_scale = False

    def __init__(self, algorithm: Exchange, attached: Attached) -> None:
        if attached.weighted:
            raise ValueError(
                "weighted=True: stock Horovod averages ranks, not samples; scale the loss by this rank's samples times "
                "the number of ranks over all samples, or use Synchronous(overlap=True)"
            )
        if not attached.with_all:
            raise ValueError(NO_CONTROL)
        self._algorithm = algorithm
        self._attached = attached
        self._stock = hvd.DistributedOptimizer(
            attached.optimizer,
            named_parameters=[(attached.prefix + name, p) for name, p in attached.model.named_parameters()],
            backward_passes_per_step=attached.passes,
        )
        self._share(attached.optimizer)  # Horovod makes a new optimizer, which begins without state
        self._loads = [one.register_load_state_dict_post_hook(self._share) for one in (attached.optimizer, self._stock)]
        self._bytes = size_in_bytes(attached.parameters) if attached.workers > 1 else 0
        self._steps = self._exchanges = 0
        self._exposed = 0.0
        self._fresh = True
        self._travelling = Travelling(self._asked)
        self._times = [0] * len(attached.parameters)
        self._left: dict[int, Left] = {}
        self._shown: Shown | None = None
        self._history = History()
        self._hooks: list[RemovableHandle] = []
        if attached.workers > 1:
            travelling.refuse_unfit(zip(attached.names, attached.parameters, strict=True))
            self._hooks = [
                p.register_post_accumulate_grad_hook(self._hook(number))  # type: ignore[no-untyped-call]
                for number, p in enumerate(attached.parameters)
            ]

    def _share(self, loaded: torch.optim.Optimizer) -> None:
        """Horovod's and the plain one have the same state and groups: schedulers hold either, and the plain one goes on."""
        for one in (self._attached.optimizer, self._stock):
            one.param_groups, one.state, one.defaults = loaded.param_groups, loaded.state, loaded.defaults

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        stock: torch.optim.Optimizer = self._stock
        return stock

    def weigh(self, samples: float) -> None:
        raise AssertionError("refused when attached")

    def zero_grad(self, set_to_none: bool) -> None:
        if self._left:
            self.synchronize()  # Horovod's own refuses this; what has left cannot be called back
        elif any(self._times):  # passes thrown away before the last of a step: Horovod would go on counting, or refuse
            self._times = [0] * len(self._times)
            self._stock._handles.clear()
            delays = self._stock._allreduce_delay
            delays.update(dict.fromkeys(delays, self._attached.passes))
        self._throw_away()
        if set_to_none:
            self._stock.zero_grad()
        else:  # Horovod's own takes no argument
            torch.optim.Optimizer.zero_grad(self._stock, set_to_none=False)

    def attempt(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _hook(self, number: int) -> Callable[[torch.Tensor], None]:
        @torch.compiler.disable  # type: ignore[untyped-decorator]
        def gradient_ready(parameter: torch.Tensor) -> None:
            self._times[number] += 1
            if self._times[number] < self._attached.passes:
                return
            if self._times[number] > self._attached.passes:  # Horovod's own hook comes next, and names its own argument
                raise TrainingError(SAID[Fault.BACKWARD_AGAIN])
            if not self._left:
                self._throw_away()
                self._travelling.hold(self._attached.parameters)
            gradient = travelling.own(parameter)
            assert gradient is not None
            self._left[number] = Left(gradient, gradient._version, gradient.untyped_storage()._cdata)

        hook: Callable[[torch.Tensor], None] = gradient_ready
        return hook

    def _asked(self, parameter: torch.Tensor) -> None:
        """Someone wants to see or to set a gradient that travels, or may. Horovod itself does so inside backward."""
        if not travelling.in_backward():
            self.synchronize()

    def synchronize(self) -> None:
        if self._shown is None:
            self._land()
            self._shown = Shown(self._attached.parameters)

    def _land(self) -> None:
        self._travelling.release()
        left, self._left = self._left, {}
        self._times = [0] * len(self._times)
        started = self._attached.clock()
        with collectives.understood():
            self._stock.synchronize()
        self._exposed += self._attached.clock() - started
        self._exchanges += 1
        if self._exchanges & (self._exchanges - 1) == 0 and self._attached.workers > 1:
            # Horovod has no word to spare for it. At powers of two: mistakes of a loop show in its first steps.
            compare(self._history, f"{self._attached.prefix}history", self._attached.among)
        alike = Counter(one.storage for one in left.values())
        for number, one in left.items():
            now = self._attached.parameters[number].grad
            # Horovod's own `set_` is one version; gradients that are parts of one tensor count theirs together.
            if now is not one.gradient or now._version != one.version + alike[one.storage]:
                raise TrainingError(SAID[Fault.CHANGED])

    def _throw_away(self) -> None:
        if self._shown is not None:
            self._shown = None
            self._history.add("thrown away")

    def step(self, *, overflowed: bool = False) -> None:
        self._fresh = False
        if self._shown is None:
            self._land()
        else:
            self._shown.applied(self._history)
            self._shown = None
        if self._attached.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._attached.parameters, self._attached.clip_norm)
        with self._stock.skip_synchronize():
            self._stock.step()
        self._steps += 1

    def settle(self) -> None:
        pass

    def finish(self) -> None:
        if not self._fresh and self._attached.workers > 1:
            if self._left:
                self.synchronize()  # a backward without its step
            self._throw_away()
            meeting.meet()
            compare(self._history, f"{self._attached.prefix}history", self._attached.among)
        self._fresh = True

    def evaluation(self) -> AbstractContextManager[None]:
        return nullcontext()

    def shared(self) -> tuple[tuple[str, torch.Tensor], ...]:
        return tuple(zip(self._attached.names, self._attached.parameters, strict=True))

    def telemetry(self) -> Telemetry:
        return Telemetry(
            steps=self._steps,
            rounds=self._steps,
            bytes_sent=self._bytes * self._steps,
            exposed_seconds=self._exposed,
            staleness={0: self._steps},
            used=self._steps,
            memory_declared=self._algorithm.memory(),
        )

    def watch(self, watcher: Watcher) -> bool:
        return False  # Horovod's own optimizer carries it

    def state_dict(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.optimizer.state_dict(), {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    def go_on(self, lead: dict[str, Any], own: dict[str, Any] | None) -> None:
        pass

    def detach(self, *, at_once: bool = False) -> None:
        self._travelling.release()
        for hook in (*self._hooks, *self._loads):
            hook.remove()
        # Horovod offers no way to take its hooks away. They live in autograd's nodes, which this list keeps alive, and so
        # does the graph of a step that failed. Such a hook waits for more backward passes for ever, and sends nothing.
        self._stock._grad_accs.clear()
        self._stock._handles.clear()
        self._stock._allreduce_delay = dict.fromkeys(self._stock._allreduce_delay, math.inf)
