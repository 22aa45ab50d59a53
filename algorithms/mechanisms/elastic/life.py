"""A worker's life in a job whose workers come and go; a binding says what is kept and how it is handed on."""

from __future__ import annotations

import os
import queue
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from algorithms.contract import Algorithm, Exchange, Place, Rounds
from algorithms.mechanisms.elastic.ledger import Ledger, Recovery

HOW = (
    "start it with `horovodrun -np 4 --min-np 2 --max-np 8 --host-discovery-script ./hosts.sh ...`, where ./hosts.sh "
    "prints lines like `name:slots` (hosts that all are this machine need `--network-interfaces lo`, too)"
)


class ElasticLife:
    """Stands before Horovod's own `ObjectState` in the bases of a binding's class, and needs no Horovod itself.

    Nothing that `commit` does is collective, so that workers who do not wait for each other in training do not here.
    Rank 0 alone hears of hosts that come or go; it leaves Horovod behind its next commit, and the others notice as they
    would notice its loss. All meet in `sync` after every change: Horovod's own leaves that out where hosts were only
    removed, and a host that came meanwhile waits there for ever (horovod/horovod#3494).
    """

    _host_messages: queue.Queue[Any]  # Horovod's, of hosts that have come or gone
    _kept: Any = None  # of the last commit; None: this worker is new

    def begin(self, objects: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        """Before the bases are made: raise ValueError for what cannot be."""
        if int(os.environ.get("HOROVOD_SIZE", "1")) > 1 and os.environ.get("HOROVOD_ELASTIC") != "1":
            raise ValueError(f"this job cannot lose or gain workers, because it has no discovery of hosts: {HOW}")
        self._ledger = Ledger(clock)
        taken = [name for name in objects if hasattr(self, name) or name in type(self).__annotations__]
        if taken:
            raise ValueError(f"{taken[0]}={objects[taken[0]]!r}: this name is the state's own; choose another")

    # -- what a training loop uses

    def count(self, samples: int) -> None:
        """This worker has drawn so many samples. They count behind the next commit, and are lost if that never comes."""
        self._ledger.draws(samples)

    @property
    def samples(self) -> int:
        """Drawn by this worker and committed."""
        return self._ledger.samples

    @property
    def samples_lost(self) -> int:
        """Drawn by this worker and lost, because another worker was, before they were committed."""
        return self._ledger.samples_lost

    @property
    def recoveries(self) -> Sequence[Recovery]:
        """Every change of the workers that this one has seen."""
        return tuple(self._ledger.recoveries)

    # -- what `hvd.elastic.run` calls

    def save(self) -> None:
        self._kept = self._keep()
        self._ledger.commits()
        super().save()  # type: ignore[misc]

    def check_host_updates(self) -> None:
        if self._host_messages.empty():
            return
        self._ledger.notices(lost=False)
        self._leave()
        self._interrupt()

    def restore(self) -> None:
        self._ledger.notices(lost=True)
        self._leave()
        super().restore()  # type: ignore[misc]

    def sync(self) -> None:
        survives = self._kept is not None
        survivors = self._gather(survives)
        if any(survivors) and not survivors[0]:
            raise RuntimeError("rank 0 is new although others are not, so nobody knows where to go on from")
        self._meet(survivors)
        super().sync()  # type: ignore[misc]
        self._ledger.goes_on(workers=len(survivors), newcomers=len(survivors) - sum(survivors))
        self._kept = self._keep()

    # -- what a binding does

    @abstractmethod
    def _keep(self) -> Any:
        """A copy of all that this worker would go on from."""

    @abstractmethod
    def _leave(self) -> None:
        """Drop what is under way, end what waits for others, and leave Horovod. Not collective."""

    @abstractmethod
    def _interrupt(self) -> NoReturn:
        """Raise what tells `hvd.elastic.run` to begin anew, with `sync` in any case."""

    @abstractmethod
    def _gather(self, value: bool) -> Sequence[bool]:
        """Every rank's, in rank order. Collective."""

    @abstractmethod
    def _meet(self, survivors: Sequence[bool]) -> None:
        """Make what depends on the number of workers, and go on from rank 0's last commit. Collective."""


def keeps_copies(algorithm: Algorithm) -> bool:
    """Whether a worker's parameters and its optimizer's state are its own, rather than one of equal replicas."""
    if isinstance(algorithm, Rounds):
        return algorithm.optimizer_at is Place.WORKER
    return isinstance(algorithm, Exchange) and not algorithm.reduces


def wire_state(lead: Mapping[str, Any], own: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a format of the wire goes on from: what is equal everywhere, the lead's; what was not sent, its own."""
    return {**lead, "residuals": {} if own is None else own["residuals"]}
