"""Horovod's own optimizer, untouched: the control."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import horovod.torch as hvd
import torch
from horovod.common.exceptions import HorovodInternalError

from algorithms.contract import Exchange
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.torch import collectives
from algorithms.torch.driver import Attached
from algorithms.torch.memory import size_in_bytes


class StockDriver:
    """`hvd.DistributedOptimizer`, used as its documentation says; only its wait is timed."""

    def __init__(self, algorithm: Exchange, attached: Attached) -> None:
        if attached.weighted:
            raise ValueError(
                "weighted=True: stock Horovod averages ranks, not samples; scale the loss by this rank's samples times "
                "the number of ranks over all samples, or use Synchronous(overlap=True)"
            )
        self._algorithm = algorithm
        self._attached = attached
        state = attached.optimizer.state_dict()
        self._stock = hvd.DistributedOptimizer(
            attached.optimizer,
            named_parameters=[(attached.prefix + name, p) for name, p in attached.model.named_parameters()],
            backward_passes_per_step=attached.passes,
        )
        if state["state"]:
            self._stock.load_state_dict(state)  # Horovod makes a new optimizer, which begins without state
        self._bytes = size_in_bytes(attached.parameters) if attached.workers > 1 else 0
        self._steps = 0
        self._exposed = 0.0
        self._fresh = True

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        stock: torch.optim.Optimizer = self._stock
        return stock

    def weigh(self, samples: float) -> None:
        raise AssertionError("refused when attached")

    def zero_grad(self, set_to_none: bool) -> None:
        if set_to_none:
            self._stock.zero_grad()
        else:  # Horovod's own takes no argument
            torch.optim.Optimizer.zero_grad(self._stock, set_to_none=False)

    def attempt(self) -> AbstractContextManager[None]:
        return nullcontext()

    def step(self) -> None:
        self._fresh = False
        started = self._attached.clock()
        try:
            self._stock.synchronize()
        except HorovodInternalError as error:
            raise collectives.stopped(error) from error
        self._exposed += self._attached.clock() - started
        if self._attached.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._attached.parameters, self._attached.clip_norm)
        with self._stock.skip_synchronize():
            self._stock.step()
        self._steps += 1

    def settle(self) -> None:
        pass

    def finish(self) -> None:
        if not self._fresh and self._attached.workers > 1:
            collectives.meet()
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

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    def detach(self) -> None:
        """Horovod keeps its hooks for good: it offers no way to take them away."""
