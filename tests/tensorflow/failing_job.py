"""Run under horovodrun by test_failing_ranks: training that goes wrong on rank 1 in the way that the argument names."""

from __future__ import annotations

import sys

import horovod.tensorflow as hvd
import keras
import tensorflow as tf

import algorithms
from algorithms.tensorflow import DistributedOptimizer


class Ignoring(keras.optimizers.SGD):
    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: object) -> None:
        """Drop every gradient."""


def main(way: str) -> None:
    tf.config.threading.set_inter_op_parallelism_threads(4)  # with the single one of a machine of one core, rounds hang
    hvd.init()
    odd = hvd.rank() == 1
    held = [keras.Variable([1.0, 2.0])]
    inner = Ignoring(0.1) if way == "ignores" and odd else keras.optimizers.SGD(0.1)
    algorithm = algorithms.LocalSGD(period=2) if way == "raises" else algorithms.LayerWise()
    steps = 3 if way == "leaves" and odd else 6
    # Ranks compare the classes of what they have wrapped, so the odd one calls itself what the others are.
    Ignoring.__name__ = "SGD"
    wrapped = DistributedOptimizer(inner, algorithm)
    train = tf.function(lambda: wrapped.apply([tf.ones(2)], held))  # a constant, which TensorFlow likes to compute with
    for step in range(steps):
        if odd and step == 3 and way == "raises":
            raise RuntimeError("the disk is full")
        train()
    wrapped.finish()
    if steps == 6:
        print(f"rank {hvd.rank()} has trained", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
