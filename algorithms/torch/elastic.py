"""PyTorch under `hvd.elastic.run`: workers come and go, and those who stay keep what is theirs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import horovod.torch as hvd
from horovod.common.elastic import ObjectState
from horovod.common.exceptions import HostsUpdatedInterrupt
from torch import nn

from algorithms.mechanisms.elastic import life
from algorithms.torch import collectives
from algorithms.torch.optimizer import DistributedOptimizer


@dataclass(frozen=True)
class Kept:
    """A commit."""

    model: dict[str, Any]
    optimizer: dict[str, Any]


class ElasticState(life.ElasticLife, ObjectState):  # type: ignore[misc]
    """A model and its distributed optimizer, for `hvd.elastic.run`.

    `wrap` makes the `DistributedOptimizer`: here, and again whenever the workers have changed, so what it works out of
    `hvd.size()` is always right. In the training function `state.optimizer` is the one to use. Schedulers are made of the
    plain optimizer, which stays. `objects` become attributes, go with each commit, and are rank 0's after each change.

    `commit()` copies model, optimizer, centre and residuals, and waits for averages that are delayed. A worker that is
    lost costs what was trained since the last commit, at most the step or round under way if each step is committed.
    """

    model: nn.Module
    optimizer: DistributedOptimizer

    def __init__(self, model: nn.Module, wrap: Callable[[], DistributedOptimizer], **objects: Any) -> None:
        if not callable(wrap):
            raise ValueError(
                f"wrap={type(wrap).__name__}: must make the optimizer whenever workers have changed: "
                "lambda: DistributedOptimizer(optimizer, model, algorithm)"
            )
        self.begin(objects)
        super().__init__(bcast_object=hvd.broadcast_object, get_rank=hvd.rank, **objects)
        self.model, self._wrap = model, wrap

    def _keep(self) -> Kept:
        optimizer = copy.deepcopy(self.optimizer.state_dict())  # first: it lands what the model waits for
        return Kept({name: value.detach().clone() for name, value in self.model.state_dict().items()}, optimizer)

    def _leave(self) -> None:
        if hasattr(self, "optimizer"):
            self.optimizer.detach(at_once=True)
        collectives.leave()
        collectives.forget()

    def _interrupt(self) -> NoReturn:
        raise HostsUpdatedInterrupt(skip_sync=False)

    def _gather(self, value: bool) -> Sequence[bool]:
        return [bool(said) for said in collectives.gather(value, "farandole.elastic.survivors", hvd.global_process_set)]

    def _meet(self, survivors: Sequence[bool]) -> None:
        kept: Kept | None = self._kept
        if kept is not None:
            self.model.load_state_dict(kept.model)
            self.optimizer.rewind(kept.optimizer)
        self.optimizer = self._wrap()  # everyone is now as rank 0 is, or was when it last committed
        if not any(survivors):
            return
        led = kept.optimizer if kept is not None and hvd.rank() == 0 else None
        lead = hvd.broadcast_object(led, name="farandole.elastic.lead")
        if kept is not None:
            copies = life.keeps_copies(self.optimizer.algorithm)
            shared = set() if copies else {name for name, _ in self.model.named_parameters()}
            own = {name: value for name, value in kept.model.items() if name not in shared}
            self.model.load_state_dict(own, strict=False)
        self.optimizer.go_on(lead, None if kept is None else kept.optimizer)
