"""What travels: one flight per step, carried piece by piece in the planned order by one helper thread.

The training thread opens a flight, gives each tensor to it as soon as it is ready, and waits for tensors to land. The
helper submits the pieces in the order of the flight's route, a flight after the other, with no more than a window of
elements on the wire. Every worker runs the same routes in the same order, so no worker can wait for a piece that another
has put behind something else; a worker that is late with a tensor delays the others and never blocks them for good.
"""

from __future__ import annotations

import atexit
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from algorithms.mechanisms.plan import Piece, Route
from algorithms.mechanisms.watching import Watcher

# Seconds between two looks at what is on the wire. Looking takes the interpreter from the training thread: where four
# ranks share two cores, twice a millisecond took 2 % of a step more than this. Not so while that thread stands still.
REST = 0.0015
REST_AWAITED = 0.0003
REST_RETIRED = 0.02  # nobody here waits any more, but other workers may

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)


class PieceWire(Protocol[C_contra]):
    """How a binding exchanges pieces of tensors. Called by the helper thread alone."""

    def send(self, parts: Sequence[tuple[C_contra, Piece]], name: str) -> int:
        """Start the exchange of these as one; no exchange of this name is in flight. A handle."""

    def done(self, handle: int) -> bool:
        """Whether it has ended, well or badly."""

    def take(self, handle: int) -> None:
        """Free the handle of an exchange that is done, and raise if it went badly."""

    def landed(self, cargo: C_contra) -> None:
        """All pieces of a tensor have been taken."""


class Lost(RuntimeError):  # noqa: N818 - it says what happened
    """The helper could not go on: nothing more will land."""


@dataclass
class _Shared:
    """What the training thread and the helper know of each other; guarded by the condition."""

    condition: threading.Condition = field(default_factory=threading.Condition)
    failure: Exception | None = None
    awaited: int = 0  # threads that stand still until something lands


class Flight(Generic[C]):
    """The exchange of one step's tensors."""

    def __init__(self, route: Route, lane: int, shared: _Shared) -> None:
        self.route = route
        self.lane = lane
        self._shared = shared
        self._condition = shared.condition
        self._cargo: dict[int, C] = {}
        self._left = route.pieces_of()
        self._missing: set[int] = set()  # what the helper waits for, if it waits for tensors of this flight

    def give(self, tensor: int, cargo: C) -> None:
        """This tensor may leave: nobody writes into it until it has landed."""
        with self._condition:
            if tensor in self._cargo:
                raise ValueError(f"tensor {tensor} has been given to this flight already")
            self._cargo[tensor] = cargo
            if tensor in self._missing:
                self._missing.remove(tensor)
                if not self._missing:  # a helper that wakes for less takes the interpreter from the training thread
                    self._condition.notify_all()

    def awaits(self, tensors: Iterable[int]) -> None:
        """Wake the helper when all of these have been given."""
        with self._condition:
            self._missing = {tensor for tensor in tensors if tensor not in self._cargo}

    def holds_all(self) -> bool:
        """Whether everything that the helper waits for was given."""
        return not self._missing

    def cargo(self, tensor: int) -> C:
        return self._cargo[tensor]

    def has_landed(self, tensor: int) -> bool:
        return not self._left.get(tensor)

    def wait(self, tensors: Iterable[int]) -> None:
        """Until all of these have landed."""
        missing = [tensor for tensor in tensors if not self.has_landed(tensor)]
        with self._condition:
            while missing:
                self._raise_failure()
                missing = [tensor for tensor in missing if not self.has_landed(tensor)]
                if missing:
                    self._stand()

    def wait_any(self, groups: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Until at least one of these groups of tensors has landed whole; those that have."""
        groups = list(groups)
        with self._condition:
            while True:
                self._raise_failure()
                whole = [group for group in groups if all(map(self.has_landed, group))]
                if whole or not groups:
                    return whole
                self._stand()

    def _stand(self) -> None:
        self._shared.awaited += 1
        if self._shared.awaited == 1:  # only the helper waits as well: two that stand would wake each other for ever
            self._condition.notify_all()
        self._condition.wait()
        self._shared.awaited -= 1

    def _raise_failure(self) -> None:
        failure = self._shared.failure
        if failure is not None:
            raise Lost(f"{type(failure).__name__}: {failure}") from failure


@dataclass(frozen=True)
class _Exchange(Generic[C]):
    handle: int
    name: str
    bundle: tuple[Piece, ...]
    flight: Flight[C]
    began: float  # on the watcher's clock, if there is one

    @property
    def elements(self) -> int:
        return sum(piece.size for piece in self.bundle)


class Courier(Generic[C]):
    """Carries flights, one after the other, with a helper thread that lives until `close`."""

    def __init__(self, wire: PieceWire[C], prefix: str, *, lanes: int = 1) -> None:
        """`lanes` flights may have exchanges of the same piece on the wire."""
        self._wire = wire
        self._prefix = prefix
        self._lanes = lanes
        self._shared = _Shared()
        self._condition = self._shared.condition
        self._waiting: deque[Flight[C]] = deque()
        self._aloft: deque[_Exchange[C]] = deque()
        self._names: set[str] = set()
        self._elements = 0
        self._opened = 0
        self._stopped = False
        self._retired = False
        self._thread: threading.Thread | None = None
        self._watcher: Watcher | None = None
        self._titles: Sequence[str] = ()

    def watch(self, watcher: Watcher, titles: Sequence[str]) -> None:
        """Tell of every exchange from now on, by the title of its tensor."""
        self._titles, self._watcher = titles, watcher

    def open(self, route: Route) -> Flight[C]:
        """The next flight: it leaves when the ones before have left. Call on every worker in the same order."""
        flight: Flight[C] = Flight(route, self._opened % self._lanes, self._shared)
        self._opened += 1
        with self._condition:
            self._waiting.append(flight)
            self._condition.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"{self._prefix}courier", daemon=True)
            # Before Horovod's own end, which was registered earlier: nobody may be inside it then.
            atexit.register(self.close)
            self._thread.start()
        return flight

    def retire(self, patience: float = 2.0) -> None:
        """No flight will follow: the helper ends when those that are open have landed. Does not wait for other workers."""
        with self._condition:
            self._retired = True
            idle = not self._waiting and not self._aloft
            self._condition.notify_all()
        if idle and self._thread is not None:
            self._thread.join(patience)

    def quiet(self, patience: float = 5.0) -> None:
        """Wait until nothing is on the wire, and nothing that has been given may leave. Who has retired is not waited for
        longer than `patience`: other workers may never send their part.
        """
        with self._condition:

            def still() -> bool:
                ended = self._stopped or self._shared.failure is not None
                return ended or (not self._aloft and not (self._waiting and self._waiting[0].holds_all()))

            self._condition.wait_for(still, timeout=patience if self._retired else None)

    def close(self, patience: float = 2.0) -> None:
        """Stop the helper, whatever is in flight. Safe to call twice, and from any thread but the helper."""
        atexit.unregister(self.close)
        with self._condition:
            self._stopped = True
            self._shared.failure = self._shared.failure or RuntimeError("this optimizer has been detached")
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        try:
            while self._pause(lambda: bool(self._waiting) or (self._retired and not self._aloft)):
                if not self._waiting:
                    break
                flight = self._waiting[0]
                for bundle in flight.route.bundles:
                    if not self._depart(flight, bundle):
                        return
                with self._condition:
                    self._waiting.popleft()
                    self._condition.notify_all()
                del flight  # its gradients would outlive their step until the next one opens
        except Exception as error:
            with self._condition:
                self._shared.failure = self._shared.failure or error
                self._condition.notify_all()
        finally:
            atexit.unregister(self.close)

    def _depart(self, flight: Flight[C], bundle: tuple[Piece, ...]) -> bool:
        """Wait until this bundle may leave, and send it. False: stopped."""
        name = f"{self._prefix}{bundle[0].tensor}.{bundle[0].start}.{flight.lane}"
        elements = sum(piece.size for piece in bundle)

        def may_leave() -> bool:
            room = not self._aloft or self._elements + elements <= flight.route.window
            return room and name not in self._names and flight.holds_all()

        flight.awaits(piece.tensor for piece in bundle)
        with self._condition:
            self._condition.notify_all()  # who wants it quiet may have waited for this
        if not self._pause(may_leave):
            return False
        began = 0.0 if self._watcher is None else self._watcher.clock()
        handle = self._wire.send([(flight.cargo(piece.tensor), piece) for piece in bundle], name)
        self._elements += elements
        self._names.add(name)
        with self._condition:
            self._aloft.append(_Exchange(handle, name, bundle, flight, began))
        return True

    def _pause(self, until: Callable[[], bool]) -> bool:
        """Rest until something holds, landing what is done meanwhile. False: stopped."""
        while True:
            self._land()
            with self._condition:
                if self._stopped:
                    return False
                if until():
                    return True
                rest = REST_RETIRED if self._retired else REST_AWAITED if self._shared.awaited else REST
                self._condition.wait(rest if self._aloft else None)

    def _land(self) -> None:
        while self._aloft and self._wire.done(self._aloft[0].handle):
            exchange = self._aloft[0]
            flight = exchange.flight
            self._wire.take(exchange.handle)
            if self._watcher is not None and exchange.began:
                self._watcher.add(self._title(exchange), exchange.began, self._watcher.clock() - exchange.began)
            self._elements -= exchange.elements
            self._names.discard(exchange.name)
            taken = Counter(piece.tensor for piece in exchange.bundle)
            whole = [tensor for tensor, pieces in taken.items() if flight._left[tensor] == pieces]
            for tensor in whole:
                self._wire.landed(flight.cargo(tensor))
            with self._condition:
                self._aloft.popleft()
                for tensor, pieces in taken.items():
                    flight._left[tensor] -= pieces
                if whole or not self._aloft:
                    self._condition.notify_all()

    def _title(self, exchange: _Exchange[C]) -> str:
        first, *others = dict.fromkeys(self._titles[piece.tensor] for piece in exchange.bundle)
        return f"exchange {first}" + (f" and {len(others)} more" if others else "")
