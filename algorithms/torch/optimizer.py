"""The optimizer that the user holds."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self

import horovod.torch as hvd
import torch
from torch import nn

from algorithms.contract import Algorithm
from algorithms.mechanisms.elastic.life import keeps_copies
from algorithms.mechanisms.errors import TrainingError
from algorithms.mechanisms.quorum.record import RoundRecord
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.torch import agreement, saved
from algorithms.torch.attach import Wishes, attach, release
from algorithms.torch.driver import Attached, Driver
from algorithms.torch.drivers import driver_of
from algorithms.torch.modes import switch
from algorithms.torch.scaling import forget_scaler, overflowed
from algorithms.wire import Asked


class DistributedOptimizer(torch.optim.Optimizer):
    """Drives any torch optimizer with any algorithm; the training loop stays as it was.

    It is an `Optimizer` so that schedulers take it; `param_groups` and `state` are those of the wrapped one. Make it on
    every rank, with the same arguments: rank 0's parameters, buffers and optimizer state become everybody's.
    Buffers, as batch norm's running statistics, are each rank's own from then on, in `evaluation()`, too.

    passes:      backward passes per step, whose gradients add up before they travel. Between passes `p.grad` is this rank's
                 own. `step()` after fewer, as at the end of an epoch, applies their average all the same; whoever clips
                 or looks before such a step calls `synchronize()` first.
    weighted:    `weigh(samples)` is called before the backward of each step, and gradients, which must be means over
                 the rank's samples, are averaged over all samples. `weigh(0)` and `step()` without a backward: no sample.
    clip_norm:   the averaged gradient is made no longer than this, when it is applied. `LayerWise` must then have the last
                 average of a step before it applies the first: "forward" still hides its exchange behind what the loop
                 does between two steps, but not behind the next forward, and the other orders are "all".
    sparse_as_dense: gradients of `nn.Embedding(sparse=True)` are made dense, since only such travel. Else they are refused.
    check_every: so many steps apart, make sure that parameters are equal on all ranks. 0: never. Not where rounds begin
                 without all ranks, whose steps are then their own.
    wire:        the form in which numbers travel (`algorithms.wire`): "none", "fp16", "int16", "powersgd:rank=4", or
                 such an object. What it leaves behind of this rank's numbers is in `state_dict()`, as each rank's own.
    others:      optimizers, wrapped or to be wrapped, that train the rest of the model's parameters.
    process_set: the ranks that train together, as Horovod's; only they wrap, and "all ranks" are then these.
    clock:       seconds, for telemetry.

    Between backward and `step()`, `p.grad` is the average over ranks where the algorithm averages gradients: looking at it
    waits for it, and what is clipped, scaled or replaced there must be so on every rank, as with DistributedDataParallel.
    Everywhere else (quorum and periodic algorithms) it is this worker's own. `torch.amp.GradScaler` works with both.
    Behind `step()`, `p.grad` is what was applied, with `Delayed` k steps later; there is none with
    `LayerWise(order="forward")`, whose averages are still on their way, nor with `Asynchronous(ahead=True)`.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module,
        algorithm: Algorithm,
        *,
        passes: int = 1,
        weighted: bool = False,
        clip_norm: float | None = None,
        sparse_as_dense: bool = False,
        check_every: int = 0,
        wire: Asked = "none",
        others: Sequence[torch.optim.Optimizer] = (),
        process_set: hvd.ProcessSet = hvd.global_process_set,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        wishes = Wishes(
            passes=passes,
            weighted=weighted,
            clip_norm=clip_norm,
            sparse_as_dense=sparse_as_dense,
            check_every=check_every,
            wire=wire,
            others=tuple(others),
            among=process_set,
            clock=clock,
        )
        self._attached = attach(self, optimizer, model, algorithm, wishes)
        self._algorithm = algorithm
        self._check_every = check_every
        self._steps = 0
        try:
            self._driver = driver_of(algorithm, self._attached)
        except Exception:
            release(self._attached)
            raise
        self._detach = weakref.finalize(self, _detach, self._driver, self._attached)
        self._detach.atexit = False  # helper threads see to that themselves, before Horovod goes
        super().__setstate__({})  # gives this object hooks of its own, without parameters of its own

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The wrapped optimizer's own: change them, or let a scheduler."""
        return self._driver.optimizer.param_groups

    @property
    def state(self) -> Any:  # type: ignore[override]
        """The wrapped optimizer's own."""
        return self._driver.optimizer.state

    @property
    def defaults(self) -> dict[str, Any]:  # type: ignore[override]
        """The wrapped optimizer's own."""
        return self._driver.optimizer.defaults

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        raise ValueError(
            "add_param_group: add it to the optimizer before wrapping, so that all ranks agree on what travels"
        )

    def weigh(self, samples: float) -> None:
        """How many samples this rank's next gradient is the mean of; 0 is one without. Before backward."""
        if not self._attached.weighted:
            raise ValueError("weigh() needs DistributedOptimizer(..., weighted=True) on every rank")
        if not 0 <= samples < float("inf"):
            raise ValueError(f"samples={samples!r}: must be a number >= 0")
        self._driver.weigh(float(samples))

    def zero_grad(self, set_to_none: bool = True) -> None:
        self._driver.zero_grad(set_to_none)

    def attempt(self) -> AbstractContextManager[None]:
        """Put zero_grad, forward and backward into it, and step() behind it: `with optimizer.attempt(): ...`.

        With `BackupWorkers(give_up=True)` it is left, before the next layer or at the next gradient, as soon as the
        gradient under way could only be dropped; what it had not come to is then missing, the loss for instance, and
        gradients are None. step() takes the new centre. It does nothing with any other algorithm, so a loop may always
        have it. What torch.compile has compiled is left at its ends only, what a GPU was given runs to its end, and
        buffers such as batch norm's statistics keep what the layers passed have done to them.
        """
        return self._driver.attempt()

    @property
    def late(self) -> threading.Event | None:
        """Set while what this rank computes could only be dropped: for waits of one's own. None: it never gives up."""
        return self._attached.late

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Backward has ended; what that means is the algorithm's affair. A closure is called once."""
        if not self._detach.alive:
            raise ValueError("this DistributedOptimizer has been detached: wrap the optimizer again")
        loss = None
        if closure is not None:
            with torch.enable_grad(), self._driver.attempt():
                loss = closure()
        try:
            self._driver.step(overflowed=overflowed(vars(self), self._attached))
        except BaseException:
            forget_scaler(vars(self))
            raise
        self._steps += 1
        if self._check_every and self._steps % self._check_every == 0:
            self.check_agreement()
        return loss

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """What `torch.amp.GradScaler` asks: whether to call `step()` in any case, with `grad_scale` and `found_inf` set."""
        return self._driver.takes_scale

    def synchronize(self) -> None:
        """Behind backward: wait until gradients are this step's averages. Looking at any `p.grad` does the same.

        As in Horovod's own loops: `synchronize()`, clip, and `step()`, inside `skip_synchronize()` or not.
        """
        self._driver.synchronize()

    def skip_synchronize(self) -> AbstractContextManager[None]:
        """Nothing: `step()` knows that gradients have been averaged. For loops that were written for Horovod's own."""
        return nullcontext()

    def train(self) -> None:
        """The wrapped optimizer's, where it has modes: schedule-free ones train and evaluate at different points."""
        switch(self._driver, self._algorithm, training=True)

    def eval(self) -> None:
        """The wrapped optimizer's, as `train()`."""
        switch(self._driver, self._algorithm, training=False)

    def check_agreement(self) -> None:
        """Raise RanksDisagree, on every rank, where parameters that must be equal are not. Collective.

        Where rounds begin without all ranks it compares behind `finish()`; before, it returns without asking anybody.
        """
        self._driver.settle()
        shared = self._driver.shared()
        if shared is not None:
            agreement.check(shared, self._steps, f"{self._attached.prefix}agree", self._attached.among)

    def finish(self) -> None:
        """Apply (or drop, as the algorithm says) what is in flight, and meet the other ranks. Collective.

        Every rank may call it twice: where nobody has trained meanwhile, the second call changes nothing.
        """
        if self._detach.alive:
            self._driver.finish()

    def evaluation(self) -> AbstractContextManager[None]:
        """The parameters to evaluate with, put back afterwards."""
        return self._driver.evaluation()

    def telemetry(self) -> Telemetry:
        return self._driver.telemetry()

    def watch(self, watcher: Watcher) -> bool:
        """Have someone told of every exchange and vote from now on. False: Horovod's own optimizer has them, unseen."""
        return self._driver.watch(watcher)

    def keep_records(self) -> list[RoundRecord]:
        """From now on write down who was in which round, for `algorithms.virtual.replay`; equal on all ranks."""
        from algorithms.torch.rounds.driver import RoundsDriver

        if not isinstance(self._driver, RoundsDriver):
            raise ValueError(f"{self._algorithm.name} has no rounds to record: every step is everybody's")
        return self._driver.keep_records()

    def state_dict(self) -> dict[str, Any]:
        """The wrapped optimizer's, and what is in flight. Any rank may save alone."""
        return saved.joined(*self._driver.state_dict(), self._algorithm)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there: on every rank, with the model's state loaded as well. A plain optimizer's will do."""
        ours = saved.ours(state_dict, self._algorithm)
        self._driver.settle()
        self._driver.optimizer.load_state_dict(saved.theirs(state_dict))
        if ours is not None:
            self._driver.load_state_dict(ours)

    def detach(self, *, at_once: bool = False) -> None:
        """Give optimizer and model back as they were. Call `finish` first to lose nothing. Not collective.

        `at_once`: Horovod is about to be left, and nothing more is sent.
        """
        if at_once and self._detach.alive:
            self._driver.detach(at_once=True)
        self._detach()

    @property
    def algorithm(self) -> Algorithm:
        return self._algorithm

    def rewind(self, state_dict: dict[str, Any]) -> None:
        """Give the plain optimizer back what this one's `state_dict()` held of it. After `detach`, to wrap it again."""
        self._attached.optimizer.load_state_dict(saved.theirs(state_dict))

    def go_on(self, lead: dict[str, Any], own: dict[str, Any] | None) -> None:
        """Among other workers than before, from rank 0's `state_dict()`. Collective.

        `own` is this worker's. None: it is new.
        """
        if own is not None and keeps_copies(self._algorithm):
            self._driver.optimizer.load_state_dict(saved.theirs(own))
        mine = None if own is None else saved.ours(own, self._algorithm)
        self._driver.go_on(saved.ours(lead, self._algorithm), mine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish and detach. After an error that the others cannot know of, leave Horovod so that they don't wait."""
        try:
            if kind is None:
                self.finish()
            elif not issubclass(kind, TrainingError) and hvd.size() > 1:
                self._driver.detach(at_once=True)
                hvd.shutdown()
        finally:
            self._detach()

    def __repr__(self) -> str:
        return f"DistributedOptimizer({self._driver.optimizer!r}, {self._algorithm!r})"

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("a DistributedOptimizer cannot be pickled or copied: save its state_dict()")


def _detach(driver: Driver, attached: Attached) -> None:
    driver.detach()
    release(attached)
