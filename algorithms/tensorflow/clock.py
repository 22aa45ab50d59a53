"""Reading a clock inside a traced step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from algorithms.tensorflow.folding import column

Clock = Callable[[], float]


def moment(clock: Clock, after: Sequence[tf.Tensor]) -> tf.Tensor:
    """The time when all of these tensors are there.

    Not `tf.timestamp`: it is stateful, and TensorFlow runs all stateful operations of a function one after the other,
    so that what the next steps print, draw or call would wait for this step's exchange. `column` keeps the stateless call
    from being folded into a constant. It is handed an element of each tensor: what only a control dependency waits for
    may be left out.
    """
    tokens = [column(after[0])[:1], *(tf.reshape(tensor, [-1])[:1] for tensor in after[1:])]
    time = tf.numpy_function(lambda *_: np.float64(clock()), tokens, tf.float64, stateful=False)
    time.set_shape(())
    return time
