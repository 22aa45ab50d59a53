"""What stands between the optimizer that the user holds and an algorithm: one driver per way of travelling."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Protocol

import horovod.torch as hvd
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.wire import NONE, Format


@dataclass(frozen=True, kw_only=True)
class Attached:
    """What a driver is given: checked on every rank, parameters and buffers equal to rank 0's."""

    optimizer: torch.optim.Optimizer  # the user's
    model: nn.Module
    names: tuple[str, ...]  # of the parameters that train, each once, in the model's order, the same on every rank
    parameters: tuple[nn.Parameter, ...]
    among: hvd.ProcessSet  # the ranks that train together
    workers: int  # of them
    rank: int  # of this process among them
    prefix: str  # begins the name of every collective of this optimizer; ends in a full stop
    passes: int = 1  # backward passes per step
    weighted: bool = False  # whether `weigh` is called before each backward
    form: Format = NONE  # of what travels
    clip_norm: float | None = None  # of the average of all gradients
    clock: Callable[[], float]
    hooks: list[RemovableHandle] = field(default_factory=list)  # on parameters, before those of the driver
    late: Event | None = None  # set while this worker computes what could only be dropped, where that is given up

    @property
    def with_all(self) -> bool:
        """Whether all ranks of the job train together."""
        return bool(self.among.process_set_id == hvd.global_process_set.process_set_id)


class Driver(Protocol):
    """Runs one algorithm. Calls come from the training thread, in the order of the training loop.

    A driver attaches its hooks when it is made, and raises ValueError for what it cannot do. Its constructor may use
    collectives: every rank makes the same drivers in the same order.
    """

    takes_scale: bool  # it is asked to step although a loss scaler found an inf; else the scaler skips the step

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Whose `param_groups` and `state` the user sees and schedules."""

    def weigh(self, samples: float) -> None:
        """Before the first backward of a step: how much this rank's gradient counts. Only where `weighted`."""

    def zero_grad(self, set_to_none: bool) -> None:
        """What `optimizer.zero_grad` does. Gradients that have left arrive first, and all ranks throw them away."""

    def attempt(self) -> AbstractContextManager[None]:
        """Around forward and backward: left early where the algorithm gives up what could only be dropped."""

    def synchronize(self) -> None:
        """Behind backward: make the gradients this step's averages. ValueError where the algorithm has none."""

    def step(self, *, overflowed: bool = False) -> None:
        """Backward has ended (a closure has been called). `overflowed`, where it `takes_scale`: with no usable gradient."""

    def settle(self) -> None:
        """Apply whatever a next forward would have waited for. Not collective; delayed gradients stay in flight."""

    def finish(self) -> None:
        """Drain. Collective. The optimizer can go on afterwards. Where no rank has trained since, it changes nothing."""

    def evaluation(self) -> AbstractContextManager[None]:
        """The parameters that one evaluates, put back at the end."""

    def shared(self) -> tuple[tuple[str, torch.Tensor], ...] | None:
        """What must be equal on all ranks now, by name; empty where nothing must. Called after `settle`.

        None where ranks are not at the same step and may not ask each other.
        """

    def telemetry(self) -> Telemetry: ...

    def watch(self, watcher: Watcher) -> bool:
        """Tell of all that travels from now on. False: this driver cannot see it."""

    def state_dict(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state of `optimizer` and the driver's own, of one moment. Not collective: one rank alone may save."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state, whatever was in flight being forgotten. Every rank loads the same, or its own."""

    def go_on(self, lead: dict[str, Any], own: dict[str, Any] | None) -> None:
        """Among other workers than before, from states of the driver: rank 0's, and what this worker had kept.

        None: it is new. What all share is rank 0's, what is each worker's own it keeps. Collective.
        """

    def detach(self, *, at_once: bool = False) -> None:
        """Take the hooks away and let helper threads end. Not collective; never waits for other ranks.

        What other ranks may wait for is still sent, unless `at_once`: Horovod is about to be left.
        """
