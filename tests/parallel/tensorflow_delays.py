"""Random delays where an exchange could be caught under way: in backward, between steps, and before the wire."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from algorithms.tensorflow.collectives import exchange as plain
from algorithms.tensorflow.exchange import wire
from algorithms.tensorflow.rounds.wire import RoundsWire


class Delays:
    """Seconds drawn from a seed, of this mean; ranks draw different ones."""

    def __init__(self, mean: float, seed: int, rank: int) -> None:
        self._mean = mean
        self._draw = np.random.default_rng([seed, rank])

    def pause(self) -> None:
        time.sleep(self._draw.exponential(self._mean))

    def slow(self, tensor: tf.Tensor) -> tf.Tensor:
        """The tensor, some time later."""
        token = tf.numpy_function(self._paused, [tf.reshape(tensor, [-1])[:1]], tensor.dtype, stateful=False)
        with tf.control_dependencies([token]):
            return tf.identity(tensor)

    def _paused(self, token: Any) -> Any:
        self.pause()
        return token

    def on_the_wire(self, patch: pytest.MonkeyPatch) -> None:
        """Delay every exchange of a traced step, every vote and every payload of a round."""

        def late(tensor: tf.Tensor, name: str, *how: Any) -> tf.Tensor:
            return plain(self.slow(tensor), name, *how)

        vote, carry = RoundsWire.vote, RoundsWire.exchange
        patch.setattr(wire, "exchange", late)
        patch.setattr(RoundsWire, "vote", lambda wire, vector: (self.pause(), vote(wire, vector))[1])
        patch.setattr(RoundsWire, "exchange", lambda *given, **told: (self.pause(), carry(*given, **told))[1])
