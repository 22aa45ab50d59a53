"""What a rank needs of a framework: to join the job, and to build what a specification asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Protocol

from algorithms.mechanisms.elastic.ledger import Recovery
from algorithms.mechanisms.telemetry import Telemetry
from suite.cluster.fingerprint import LoadedHorovod
from suite.experiment.live import Live
from suite.rank.layer_spans import LayerSpans
from suite.rank.observer import Stopwatch
from suite.rank.resident import DevicePeak
from suite.record.specification import Specification
from suite.training.loop import Result
from suite.training.session import Session


@dataclass(frozen=True)
class Place:
    """This rank's place in the job. `exchange`: everybody's object, in rank order."""

    rank: int
    size: int
    local_rank: int
    exchange: Callable[[Any], Sequence[Any]]
    horovod: LoadedHorovod | None = None


@dataclass(frozen=True)
class Built:
    """A session ready to train, and what its optimizer can tell.

    `telemetry` is None where nobody counts. `updating`: the update's time, where the framework can tell; a traced
    function does not end between backward and update.
    """

    session: Session
    model: Any
    optimizer: Any
    telemetry: Callable[[], Telemetry] | None
    parameter_bytes: int
    updating: Stopwatch | None = None
    rounds: bool = False  # the algorithm's ranks meet in rounds
    late: Event | None = None  # set while what this rank computes can only be dropped, where it would stop then
    device_peak: DevicePeak | None = None  # None where it computes in main memory, or the framework does not tell
    titles: Sequence[str] = ()  # of the trainable variables where the framework calls them otherwise than PyTorch does


@dataclass(frozen=True)
class Trained:
    """Where a rank stood when training was over, and what came of it."""

    place: Place
    built: Built
    result: Result


class ElasticState(Protocol):
    """What a rank uses of `algorithms.torch.ElasticState`, or TensorFlow's."""

    step: int  # of all, by rank 0's count

    @property
    def recoveries(self) -> Sequence[Recovery]: ...

    def count(self, samples: int) -> None: ...

    def save(self) -> None: ...

    def check_host_updates(self) -> None: ...


@dataclass(frozen=True)
class Changing:
    """A rank of a job whose workers come and go.

    `through` trains, as a `Trained` of this rank's place and what is built there, once more after each change.
    """

    parameter_bytes: int
    state: ElasticState
    through: Callable[[Callable[[Place, Built], Trained]], Trained]


class Side(Protocol):
    """`torch_side` and `tensorflow_side`: modules, imported only by ranks that run on that framework."""

    def join(self, specification: Specification) -> Place: ...

    def build(self, live: Live, place: Place) -> Built: ...

    def changing(self, live: Live, place: Place) -> Changing: ...

    def watch_layers(self, built: Built, spans: LayerSpans) -> None:
        """Have the layers' own times, exchanges and votes written down, and what of them cannot be seen."""

    def leave(self) -> None: ...
