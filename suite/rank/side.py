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

    @classmethod
    def of(cls, horovod: RunningHorovod) -> Place:
        """Where Horovod, which has begun, sees this process."""

        def exchange(mine: Any) -> Sequence[Any]:
            return horovod.allgather_object(mine, name="harness")

        return cls(horovod.rank(), horovod.size(), horovod.local_rank(), exchange, horovod)


class RunningHorovod(LoadedHorovod, Protocol):
    """What it says and does between `init` and `shutdown`."""

    def rank(self) -> int: ...
    def size(self) -> int: ...
    def local_rank(self) -> int: ...
    def allgather_object(self, obj: Any, name: str) -> Sequence[Any]: ...


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


@dataclass(frozen=True)
class Parts:
    """The user's own model, and how to wrap an optimizer for it; `built` makes a session of a wrapped one."""

    model: Any
    size: int
    wrap: Callable[[], Any]
    built: Callable[[Any], Built]

    def build(self) -> Built:
        return self.built(self.wrap())

    def changing(
        self, state: ElasticState, loop: Callable[[Callable[[Any], Trained]], Any], horovod: RunningHorovod
    ) -> Changing:
        """`loop`: the framework's decorator that calls a training function again whenever workers have changed."""

        def through(train: Callable[[Place, Built], Trained]) -> Trained:
            def again(state: Any) -> Trained:
                built = self.built(state.optimizer)
                built.session.steps_taken = state.step
                return train(Place.of(horovod), built)

            trained: Trained = loop(again)(state)
            return trained

        return Changing(self.size, state, through)


class Side(Protocol):
    """`torch_side` and `tensorflow_side`: modules, imported only by ranks that run on that framework."""

    def join(self, specification: Specification) -> Place: ...

    def build(self, live: Live, place: Place) -> Built: ...

    def changing(self, live: Live, place: Place) -> Changing: ...

    def watch_layers(self, built: Built, spans: LayerSpans) -> None:
        """Have the layers' own times, exchanges and votes written down, and what of them cannot be seen."""

    def leave(self) -> None: ...
