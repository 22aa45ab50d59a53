"""On each of two ranks: known sums with TensorFlow, and whether Keras optimizers keep the ranks' weights equal."""

from __future__ import annotations

from typing import Any

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf

import algorithms
from algorithms.tensorflow import DistributedOptimizer
from suite.doctor.probe import answer, built


def drift(wrap: Any) -> float:
    """Train a small model on other data on each rank; the largest difference of any weight from rank 0's afterwards."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
    model.compile(optimizer=wrap(keras.optimizers.SGD(0.05, momentum=0.9)), loss="mse")
    random = np.random.default_rng(hvd.rank())
    inputs = random.normal(size=(64, 8)).astype(np.float32)
    model.fit(inputs, inputs[:, :1] * (1 + hvd.rank()), batch_size=16, epochs=1, verbose=0)
    worst = 0.0
    for number, weight in enumerate(model.get_weights()):
        first = hvd.broadcast(tf.constant(weight), root_rank=0, name=f"{wrap.__name__}.weight.{number}").numpy()
        worst = max(worst, float(np.abs(weight - first).max()))
    return float(hvd.allreduce(tf.constant(worst), op=hvd.Max, name=f"{wrap.__name__}.worst").numpy())


def ours(optimizer: Any) -> Any:
    return DistributedOptimizer(optimizer, algorithms.Synchronous())


def horovods(optimizer: Any) -> Any:
    return hvd.DistributedOptimizer(optimizer)


def main() -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    hvd.init()
    rank, size = hvd.rank(), hvd.size()
    given = tf.range(1000.0) * (rank + 1)
    expected = tf.range(1000.0) * (size * (size + 1) / 2)
    eager = hvd.allreduce(given, op=hvd.Sum)

    @tf.function  # type: ignore[untyped-decorator]
    def in_graph(value: Any) -> Any:
        return hvd.allreduce(value, op=hvd.Sum, name="sum.graph")

    graph = in_graph(given)
    sums = {
        "eager": bool(tf.reduce_all(eager == expected).numpy()),
        "tf.function": bool(tf.reduce_all(graph == expected).numpy()),
    }
    answer({"sums": sums, "built": built(hvd), "ours": drift(ours), "horovods": drift(horovods)})
    hvd.shutdown()


if __name__ == "__main__":
    main()
