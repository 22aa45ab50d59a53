"""When gradients are ready, measured in single steps; how fast the wire is; the route that they make."""

from __future__ import annotations

from collections.abc import Sequence

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from algorithms.mechanisms.plan import Timing, cut, order
from algorithms.tensorflow.clock import Clock, moment
from algorithms.tensorflow.pieces import Route
from algorithms.tensorflow.wire import gather

PIECE = 1 << 18  # elements: 1 MB of float32, the best of 0.25, 1, 2 and 4 MB on two hosts at 400 Mbit/s
WINDOW = 3 * PIECE  # one piece on the wire, one agreed upon, one being agreed upon
FORWARD = 0.5  # of a layer's backward time: two matrix products there, one in its forward


class Stopwatch:
    """Times of one step at a time, counted from its beginning, written by the traced step itself."""

    def __init__(self, tensors: int, clock: Clock) -> None:
        self._clock = clock
        self._begun = tf.Variable(0.0, dtype=tf.float64, trainable=False, name="step_begun")
        self._ready = tf.Variable(tf.zeros(tensors, tf.float64), trainable=False, name="gradients_ready")
        self.laps: list[NDArray[np.float64]] = []

    def begin(self) -> None:
        """Called outside of traces, right before the step."""
        self._begun.assign(self._clock())

    def trace(self, gradients: dict[int, tf.Tensor]) -> None:
        """Note in the step when each of these is there; what has no gradient never delays anything."""
        begun = self._begun.read_value()
        times = {number: moment(self._clock, [gradient]) - begun for number, gradient in gradients.items()}
        nothing = tf.zeros((), tf.float64)
        self._ready.assign(tf.stack([times.get(number, nothing) for number in range(self._ready.shape[0])]))

    def lap(self) -> None:
        """Called outside of traces, after the step."""
        self.laps.append(np.asarray(self._ready.numpy()))

    @property
    def ready(self) -> NDArray[np.float64]:
        """The median of each tensor's times, over all laps but the first, which allocates."""
        return np.median(self.laps[1:] or self.laps, axis=0)


def timings(ready: Sequence[float]) -> list[Timing]:
    """When each parameter is needed again: the next forward goes the way of the backward, the other way round."""
    last = max(ready)
    return [Timing(ready=time, needed=last + FORWARD * (last - time)) for time in ready]


def seconds_per_element(name: str, clock: Clock, rounds: int = 4) -> float:
    """What an element costs on a wire that is otherwise idle."""

    def together() -> tf.Tensor:
        return hvd.allreduce(tf.zeros(1), op=hvd.Sum, name=f"{name}.together", ignore_name_scope=True)

    def exchange() -> tf.Tensor:
        pieces = [
            hvd.allreduce(tf.zeros(PIECE), op=hvd.Sum, name=f"{name}.{i}", ignore_name_scope=True)
            for i in range(rounds)
        ]
        return tf.add_n([piece[0] for piece in pieces])

    meet, send = tf.function(together), tf.function(exchange)
    send()
    meet()
    begun = clock()
    send()
    return (clock() - begun) / (rounds * PIECE)


def planned_route(sizes: Sequence[int], ready: NDArray[np.float64], name: str, clock: Clock) -> Route:
    """The route that all ranks agree upon, from the mean of what they measured. Collective; nothing may be in flight."""
    mine = np.array([*ready, seconds_per_element(f"{name}.cost", clock)])
    *times, cost = gather(mine, f"{name}.times").mean(axis=0).tolist()
    return Route(order(cut(sizes, PIECE), timings(times), cost), WINDOW)
