"""Drives `Rounds`: workers with copies of their own that meet around a centre, some of them or all."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import horovod.torch as hvd
import numpy as np
import torch
from horovod.common.exceptions import HorovodInternalError
from torch import nn

from algorithms.contract import Place, Reduction, Rounds
from algorithms.mechanisms.errors import TrainingError
from algorithms.mechanisms.quorum.ballot import Terms
from algorithms.mechanisms.quorum.helper import Helper, RoundsError
from algorithms.mechanisms.quorum.record import RoundRecord
from algorithms.mechanisms.quorum.worker import Worker
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.mechanisms.watching import Watcher
from algorithms.torch import collectives
from algorithms.torch.driver import Attached
from algorithms.torch.errors import RankStopped
from algorithms.torch.exchange.header import SAID, Fault
from algorithms.torch.exchange.wire import declared_bytes
from algorithms.torch.hooks import Hook
from algorithms.torch.refusals import refuse_unfit
from algorithms.torch.rounds.attempts import Attempts
from algorithms.torch.rounds.copies import CopyWork
from algorithms.torch.rounds.gradients import GradientWork
from algorithms.torch.rounds.saved import Saved
from algorithms.torch.rounds.space import Space, laid_out
from algorithms.torch.rounds.wire import TorchWire


class RoundsDriver:
    """One worker's training loop around a helper thread that runs the rounds.

    Buffers that are not parameters, as batch norm's running statistics, stay each worker's own, as with stock Horovod.
    """

    takes_scale = True  # a worker that skipped a step alone would fall behind the others' rounds

    def __init__(self, algorithm: Rounds, attached: Attached) -> None:
        refuse_unfit(algorithm, attached)
        self.algorithm, self.attached = algorithm, attached
        self.worker = Worker(
            algorithm, rank=attached.rank, workers=attached.workers, clock=attached.clock, late=attached.late
        )
        tensors = algorithm.reduction is Reduction.ADASUM
        self.space = Space(attached.parameters, tensor_by_tensor=tensors, form=attached.form)
        self.wire = TorchWire(
            self.space,
            attached.prefix + "rounds.",
            attached.clock,
            adasum=tensors and attached.workers > 1,
            form=attached.form,
            among=attached.among,
        )
        kind = GradientWork if algorithm.optimizer_at is Place.CENTRE else CopyWork
        self.work: GradientWork | CopyWork = kind(algorithm, attached, self.space, self.wire)
        self.saved = Saved(algorithm, attached, self.worker, self.work)
        self.bytes = declared_bytes(attached.form, attached.parameters)
        self.evaluating = False
        self.weight = 1.0
        self.overflowed = False  # the gradients of this step
        trained = {id(parameter) for parameter in attached.parameters}
        held = [parameter for group in attached.optimizer.param_groups for parameter in group["params"]]
        self.frozen = [parameter for parameter in held if id(parameter) not in trained]
        self.fresh, self.loaded = True, False
        self.finished = False  # and nothing begun here since
        late = attached.late
        self.attempts = None if late is None else Attempts(attached.model, attached.parameters, late)
        self.hook = attached.model.register_forward_pre_hook(Hook(self._forward))

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self.attached.optimizer

    def keep_records(self) -> list[RoundRecord]:
        return self.worker.keep_records()

    # -- the training loop

    def weigh(self, samples: float) -> None:
        self.weight = float(samples)

    def zero_grad(self, set_to_none: bool) -> None:
        self.attached.optimizer.zero_grad(set_to_none=set_to_none)

    def _forward(self, module: nn.Module, inputs: object) -> None:
        if torch.is_grad_enabled() and not self.evaluating:
            with self._translated():
                self._begin()

    def _begin(self) -> None:
        """STEP BEGINS: at the first forward, so that the exchange travels during it, or when the step ends."""
        self.worker.begins()
        self.worker.carries_on(self)

    def attempt(self) -> AbstractContextManager[None]:
        if self.attempts is None:
            return nullcontext()
        with self._translated():
            self._start()  # rounds need its helper's answer while it computes
        return self.attempts.attempt()

    def synchronize(self) -> None:
        raise ValueError(f"synchronize(): {self.algorithm.name} has no gradients to average before step()")

    def step(self, *, overflowed: bool = False) -> None:
        given_up = self.attempts is not None and self.attempts.closed()
        worker, work = self.worker, self.work
        with self._translated():
            self._begin()
            helper = self._start()
            helper.trainer = threading.current_thread()
            helper.check()
            if worker.over:
                return
            self._refuse_unfrozen(helper)
            worker.steps += 1
            worker.given_up += given_up
            self.overflowed = overflowed
            if isinstance(work, CopyWork):
                self._local_step(work)
                worker.computed()
            else:  # without a usable gradient it must not hold up rounds that need all
                worker.computed(in_vain=given_up or (overflowed and not worker.rules.everyone))
            worker.carries_on(self)

    def _refuse_unfrozen(self, helper: Helper) -> None:
        """What was frozen is no part of what travels: nobody's update would reach it, or only this worker's own."""
        if any(parameter.requires_grad and parameter.grad is not None for parameter in self.frozen):
            helper.fail(SAID[Fault.UNFROZEN])  # which all ranks hear of, this one too
            helper.check()
            raise TrainingError(SAID[Fault.UNFROZEN])

    def _local_step(self, work: CopyWork) -> None:
        if self.worker.offering and not work.ahead:
            self.worker.wait()  # what is on offer is the copy as it stands
        if self.weight:
            if not self.overflowed:
                self.attached.optimizer.step()
            work.local()

    # -- what its life asks for

    def offer(self) -> Terms:
        self._start()
        weight = 0.0 if self.overflowed and isinstance(self.work, GradientWork) else self.weight
        return self.work.capture(weight, read=self.worker.life.read)

    def adopt(self, *, late: bool) -> int:
        return self.work.adopt(late=late)

    def read(self) -> int:
        return self.work.refresh()

    def anew(self) -> int:
        self.work.forget()  # or the next backward would make its gradients beside those that were dropped
        return self.work.refresh()

    def _start(self) -> Helper:
        if self.worker.helper is not None:
            return self.worker.helper
        if self.loaded:
            self._agree()
        elif self.fresh:
            self.work.begin()  # a state may have been loaded into the model since this was made
        self.fresh = self.finished = False
        return self.worker.start(self.wire, self.work)

    def _agree(self) -> None:
        """Every worker has loaded a state, of its own or the same: all go on from rank 0's centre."""
        self.loaded = False
        first = (self.work.rounds, self.worker.life.step) if self.attached.rank == 0 else (0, 0)
        rounds, step = self.wire.vote(np.array(first, np.int64)).tolist()
        self.work.rounds = self.worker.member.round = rounds
        self.worker.life.knows(rounds)
        self.work.agree(step)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What stops the rounds, as the user sees it."""
        with torch.no_grad():
            try:
                yield
            except RoundsError as error:
                if self.worker.member.failed is not None:
                    raise TrainingError(str(error)) from error
                raise RankStopped(f"another rank has stopped, so this one cannot go on: {error}") from error

    # -- around the training loop

    def settle(self) -> None:
        """Nothing: a worker's copy is whole whenever it may be looked at."""

    def finish(self) -> None:
        trained, rounds = self.worker.helper is not None or self.loaded, self.work.rounds
        if self.finished and not trained and not hvd.is_initialized():
            return  # nobody is left to serve
        with self._translated():
            helper = self._start()  # a worker that has had no data serves the others' rounds, too
            self.worker.ends(self)
            helper.leave()
            if isinstance(self.work, GradientWork) and (trained or self.work.rounds != rounds):
                self.work.refresh()  # else nobody has trained, and what stands in the model is the user's
        self.worker.renew(self.work.rounds)
        self.work.forget()
        self.finished = True

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """The centre or its average, where there is one; else this worker's own copy."""
        if self.worker.offering and isinstance(self.work, CopyWork) and not self.work.ahead:
            with self._translated():
                self.worker.wait()  # the copy as it stands is on offer
        seen = self.work.replica.evaluated
        if self.evaluating or seen is None:
            yield
            return
        own = [laid_out(parameter).clone() for parameter in self.attached.parameters]
        with self.work.outside.puts_back() if isinstance(self.work, GradientWork) else nullcontext():
            with torch.no_grad(), self.work.whole:
                for piece in self.space.pieces:
                    self.space.write(piece, seen.at(piece))
            self.evaluating = True
            try:
                yield
            finally:
                self.evaluating = False
                with torch.no_grad():
                    for parameter, kept in zip(self.attached.parameters, own, strict=True):
                        laid_out(parameter).copy_(kept)

    def shared(self) -> tuple[tuple[str, torch.Tensor], ...] | None:
        """The centre, whenever no round can be under way: all workers meet and wait, or all have finished."""
        if not self.worker.rules.everyone and (self.loaded or not self.finished):
            return None
        if self.worker.helper is not None and self.algorithm.overlap:
            return ()
        names = self.attached.names
        return tuple(
            (f"centre.{part}.{name}", view)
            for part, flat in self.work.replica.kept.items()
            for name, view in zip(names, flat.views(), strict=True)
        )

    def telemetry(self) -> Telemetry:
        counted = self.worker.telemetry(
            rounds=self.work.rounds,
            bytes_sent=self.wire.bytes_sent,
            payload_seconds=self.wire.payload_seconds,
            memory_bytes=self.work.bytes + self.wire.bytes_held,
        )
        memory = counted.memory_declared + self.attached.form.memory()
        return replace(counted, bytes_per_exchange=self.bytes, memory_declared=memory)

    def watch(self, watcher: Watcher) -> bool:
        self.wire.watcher = watcher
        self.wire.titles = self.space.titles(self.attached.names)
        self.worker.watch(watcher)
        return True

    def state_dict(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if self.worker.offering and self.algorithm.overlap:
            with self._translated():
                self.worker.wait()  # everyone has offered: the round closes whatever the other training threads do
        return self.saved.state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.saved.load(state)
        self.loaded = True

    def go_on(self, lead: dict[str, Any], own: dict[str, Any] | None) -> None:
        self.saved.go_on(lead, own)
        self.loaded = True

    def detach(self, *, at_once: bool = False) -> None:
        self.hook.remove()
        if self.attempts is not None:
            self.attempts.detach()
        helper, self.worker.helper = self.worker.helper, None
        if helper is not None:
            error = sys.exc_info()[1]
            if error is None or isinstance(error, (TrainingError, HorovodInternalError)):
                helper.quit()
                if at_once:
                    collectives.leave()  # or the others' helpers would keep this one for the rest of training
                    helper.thread.join()
            else:
                helper.fail("".join(traceback.format_exception(error)))
