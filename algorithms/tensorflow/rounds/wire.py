"""Votes and payloads on Horovod, from the helper thread of a worker: small traced functions, each traced once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import horovod.tensorflow as hvd
import tensorflow as tf

from algorithms.mechanisms.plan import Piece, Route
from algorithms.mechanisms.quorum.ballot import Vector
from algorithms.mechanisms.routes import GRAIN, windowed
from algorithms.mechanisms.watching import Watcher
from algorithms.tensorflow.agreement import require_equal_arrays
from algorithms.tensorflow.arrays import Array, shared_memory
from algorithms.tensorflow.clock import Clock
from algorithms.tensorflow.collectives import broadcast, calls, exchange, leave
from algorithms.tensorflow.exchange.pieces import exchanged
from algorithms.tensorflow.exchange.wire import Carrier
from algorithms.tensorflow.names import Names


class RoundsWire:
    """What the helper does with Horovod. Traced functions wait without spinning."""

    def __init__(
        self,
        variables: Sequence[Any],
        names: Names,
        clock: Clock,
        carrier: Carrier,
        among: hvd.ProcessSet,
        *,
        adasum: bool,
    ) -> None:
        self._among = among
        self._names, self._clock = names, clock  # ranks agree on names after this, but before anything travels
        self._alike = False
        sizes = [variable.shape.num_elements() for variable in variables]
        self.carrier = carrier
        freight = carrier.freight
        # Adasum combines tensor by tensor, so it must see them whole.
        pieces = freight.pieces(sizes, max(1, sum(sizes)) if adasum else freight.grain(GRAIN))
        route = Route.singly(pieces, sum(sizes)) if adasum else windowed(pieces)

        def add_up(tensors: list[tf.Tensor], present: tf.Tensor) -> list[tf.Tensor]:
            def carry(piece: Piece, part: tf.Tensor, name: str) -> tf.Tensor:
                return exchange(part, name, among, hvd.Adasum) if adasum else carrier.carry(piece, part, name, present)

            return list(exchanged(dict(enumerate(tensors)), route, f"{names.prefix}.rounds.payload", carry).values())

        signature = [
            [tf.TensorSpec(variable.shape, variable.value.dtype) for variable in variables],
            tf.TensorSpec((), tf.bool),
        ]
        self._add_up = tf.function(add_up, input_signature=signature, autograph=False)
        self._votes: dict[int, Any] = {}
        self.bytes_sent = 0  # of payloads; votes are a few hundred bytes each
        self.payload_seconds = 0.0
        self.watcher: Watcher | None = None

    def vote(self, vector: Vector) -> Vector:
        """The sum of everyone's vectors."""
        length = len(vector)
        if length not in self._votes:
            name = f"{self._names.prefix}.rounds.vote.{length}"
            self._votes[length] = tf.function(lambda mine: exchange(mine, name, self._among, hvd.Sum), autograph=False)
        calls()
        total: Vector = self._votes[length](tf.constant(vector)).numpy()
        return total

    def abort(self) -> None:
        """Make everyone's collectives fail, unless nobody can be in one; the process could not use Horovod any more."""
        if not self._alike:
            leave()

    def require_equal(self, centre: Sequence[Array], paths: Sequence[str], rounds: int) -> None:
        """Compare replicas of the centre; what has failed in here has failed on every rank, and none waits for another."""
        self._alike = True
        name = f"{self._names.prefix}.rounds.agreement"
        require_equal_arrays(centre, paths, name, f"after round {rounds}", self._among)
        self._alike = False

    def exchange(self, tensors: Sequence[tf.Tensor], *, present: bool = True) -> Iterator[Array]:
        """The sums over all workers, each no longer held than it is looked at. `present`: this one has something to add;
        else these are zeros.
        """
        begun = self._clock()
        calls()
        totals = self._add_up(list(tensors), tf.constant(present))
        seconds = self._clock() - begun
        self.payload_seconds += seconds
        if self.watcher is not None:  # one function carries all
            self.watcher.add("exchange all", self.watcher.clock() - seconds, seconds)
        self.bytes_sent += self.carrier.bytes
        return _one_by_one(totals)

    def take_first(self, variables: Sequence[tf.Variable], what: str) -> None:
        """Make variables equal to rank 0's, bit for bit."""
        broadcast(variables, f"{self._names.prefix}.rounds.{what}", self._among)

    @property
    def traces(self) -> int:
        """How often a function was traced."""
        functions = [self._add_up, *self._votes.values()]
        return sum(int(function.experimental_get_tracing_count()) for function in functions)


def _one_by_one(tensors: list[tf.Tensor]) -> Iterator[Array]:
    while tensors:
        yield shared_memory(tensors.pop(0))
