"""When gradients are ready, measured in single steps; how fast the wire is; the route that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import cache

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from algorithms.mechanisms import routes
from algorithms.mechanisms.plan import Route, Timing, order
from algorithms.mechanisms.routes import Freight, Tariff
from algorithms.tensorflow.clock import Clock, moment
from algorithms.tensorflow.collectives import exchange, gather

STEPS = 4  # that are enough: the first one allocates, the others have a median
FORWARD = 0.5  # of a layer's backward time: two matrix products there, one in its forward
KEPT = 8


class Stopwatch:
    """When each gradient is ready, from the beginning of its step; written by traced steps themselves."""

    def __init__(self, tensors: int, clock: Clock) -> None:
        self._clock = clock
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="steps_measured")
        self._laps = tf.Variable(tf.zeros((KEPT, tensors), tf.float64), trainable=False, name="gradients_ready")

    def trace(self, gradients: Mapping[int, tf.Tensor]) -> None:
        """Measure the step that is being traced, in a function of its own."""
        steps = self._steps.read_value()
        begun = moment(self._clock, [steps])  # depends on nothing else, so it is read when the function begins
        times = {number: moment(self._clock, [gradient]) - begun for number, gradient in gradients.items()}
        nothing = tf.zeros((), tf.float64)
        row = tf.stack([times.get(number, nothing) for number in range(self._laps.shape[1])])
        self._laps.scatter_nd_update([[steps % KEPT]], [row])
        self._steps.assign_add(1)

    @property
    def steps(self) -> int:
        return int(self._steps.numpy())

    @property
    def ready(self) -> NDArray[np.float64]:
        """The median of each tensor's times; 0 where it had no gradient."""
        laps = self._laps.numpy()[: min(self.steps, KEPT)]
        return np.asarray(np.median(laps[1:] if 1 < self.steps <= KEPT else laps, axis=0))


def timings(ready: Sequence[float]) -> list[Timing]:
    """When each parameter is needed again: the next forward goes the way of the backward, the other way round."""
    last = max(ready)
    return [Timing(ready=time, needed=last + FORWARD * (last - time)) for time in ready]


def planned_route(
    sizes: Sequence[int], ready: NDArray[np.float64], name: str, clock: Clock, freight: Freight, among: hvd.ProcessSet
) -> Route:
    """The route that all ranks agree upon, from the mean of what they measured. Collective; nothing may be in flight."""

    @cache
    def sent(elements: int, exchanges: int) -> Callable[[], list[tf.Tensor]]:
        def together() -> list[tf.Tensor]:
            names = [f"{name}.{elements}.{exchanges}.{number}" for number in range(exchanges)]
            return [exchange(tf.zeros(elements), one, among, factor=1 + place) for place, one in enumerate(names)]

        return tf.function(together, autograph=False)  # type: ignore[no-any-return]

    def send(elements: int, exchanges: int) -> None:
        sent(elements, exchanges)()

    mine = np.array([*ready, *astuple(routes.measured(send, clock, rounds=4))])  # the first of which traces
    *times, every, element, agreement = gather(mine, f"{name}.times", among).mean(axis=0).tolist()
    tariff = Tariff(every, element, agreement)
    pieces = freight.pieces(sizes, routes.grain_of(sizes, tariff, freight))
    coded = tariff.of(freight)
    largest = max((piece.size for piece in pieces), default=0)
    return routes.windowed(order(pieces, timings(times), coded.element, largest * coded.element), coded)
