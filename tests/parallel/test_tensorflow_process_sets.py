"""Algorithms over a part of the ranks: two sets at once train as each would alone."""

from __future__ import annotations

from pathlib import Path

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

import algorithms
from algorithms.contract import Algorithm
from algorithms.tensorflow import DistributedOptimizer

pytestmark = pytest.mark.ranks(4)

PAIRS = ((0, 1), (2, 3))
EXACT: list[Algorithm] = [
    algorithms.Synchronous(),
    algorithms.LayerWise(),
    algorithms.BackupWorkers(spares=0),
    algorithms.LocalSGD(period=1),
]
OTHERS: list[Algorithm] = [
    algorithms.Delayed(steps=1),
    algorithms.Asynchronous(),
    algorithms.ElasticAveraging(period=2),
    algorithms.DiLoCo(period=2),
]


@pytest.fixture(scope="module")
def sets() -> list[hvd.ProcessSet]:
    tf.config.threading.set_inter_op_parallelism_threads(3)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.get_logger().setLevel("ERROR")  # about tracing again: every test wraps a new optimizer
    found = [hvd.ProcessSet(pair) for pair in PAIRS]
    hvd.init(process_sets=found)
    return found


def steps_of(pair: int) -> int:
    return 8 + 6 * pair  # so that neither set waits for the other


def start(pair: int) -> NDArray[np.float64]:
    return np.random.default_rng(pair).standard_normal((5, 2))


def data(pair: int) -> tuple[tf.Tensor, tf.Tensor]:
    x = tf.constant(np.random.default_rng(10 + pair).standard_normal((steps_of(pair), 8, 5)))
    return x, tf.sin(x[:, :, :2])


def gradient(kernel: keras.Variable, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(tf.tanh(x @ kernel.value) - y))
    return tape.gradient(loss, kernel.value)


def alone(pair: int) -> NDArray[np.float64]:
    kernel = keras.Variable(start(pair), dtype="float64")
    inner = keras.optimizers.SGD(0.1, momentum=0.9)
    for x, y in zip(*data(pair), strict=True):
        inner.apply([gradient(kernel, x, y)], [kernel])
    return kernel.numpy()


def trained(algorithm: Algorithm, pair: int, rank: int, among: hvd.ProcessSet) -> NDArray[np.float64]:
    """What one evaluates of it, on this rank."""
    # The first rank's of the set come instead of the others'.
    kernel = keras.Variable(start(pair) * (rank % 2 == 0), dtype="float64")
    optimizer = DistributedOptimizer(keras.optimizers.SGD(0.1, momentum=0.9), algorithm, process_set=among)
    half = slice(4 * (rank % 2), 4 * (rank % 2) + 4)

    @tf.function(autograph=False)
    def train(x: tf.Tensor, y: tf.Tensor) -> None:
        optimizer.apply([gradient(kernel, x, y)], [kernel])

    for x, y in zip(*data(pair), strict=True):
        train(x[half], y[half])
    optimizer.finish()
    with optimizer.evaluation():
        return kernel.numpy()


@pytest.mark.parametrize("algorithm", EXACT, ids=repr)
def test_two_sets_at_once_train_as_one_device_would(
    algorithm: Algorithm, rank: int, sets: list[hvd.ProcessSet]
) -> None:
    pair = rank // 2
    ended = trained(algorithm, pair, rank, sets[pair])
    np.testing.assert_allclose(ended, alone(pair), rtol=0, atol=1e-12)


@pytest.mark.parametrize("algorithm", OTHERS, ids=repr)
def test_two_sets_end_with_replicas_of_their_own(algorithm: Algorithm, rank: int, sets: list[hvd.ProcessSet]) -> None:
    pair = rank // 2
    ended = trained(algorithm, pair, rank, sets[pair])
    everyone = hvd.allgather(tf.constant(ended[None]), name=f"ended.{algorithm}").numpy()
    assert np.array_equal(everyone[2 * pair], everyone[2 * pair + 1])
    assert not np.allclose(everyone[0], everyone[2])


def test_one_set_trains_another_algorithm_than_the_other(rank: int, sets: list[hvd.ProcessSet]) -> None:
    pair = rank // 2
    ended = trained((algorithms.LayerWise(), algorithms.ElasticAveraging(period=2))[pair], pair, rank, sets[pair])
    if pair == 0:
        np.testing.assert_allclose(ended, alone(pair), rtol=0, atol=1e-12)


def test_a_saved_optimizer_finds_its_set_again(rank: int, sets: list[hvd.ProcessSet], tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = DistributedOptimizer(keras.optimizers.SGD(0.1), algorithms.Synchronous(), process_set=sets[rank // 2])
    model.compile(optimizer, "mse")
    model.save(tmp_path / "saved.keras")
    loaded = keras.models.load_model(tmp_path / "saved.keras").optimizer
    assert loaded.get_config()["process_set"] == list(PAIRS[rank // 2])
    config = {**optimizer.get_config(), "process_set": [0, 3]}
    with pytest.raises(ValueError, match=r"an hvd\.ProcessSet that Horovod knows"):
        DistributedOptimizer.from_config(config)


def test_what_a_set_cannot_do_is_refused(rank: int, sets: list[hvd.ProcessSet]) -> None:
    mine, others = sets[rank // 2], sets[1 - rank // 2]

    def wrap(algorithm: Algorithm, among: hvd.ProcessSet) -> None:
        DistributedOptimizer(keras.optimizers.SGD(0.1), algorithm, process_set=among)

    with pytest.raises(ValueError, match=f"rank {rank} is not in it; only its ranks wrap and train"):
        wrap(algorithms.Synchronous(), others)
    with pytest.raises(ValueError, match=r"an hvd\.ProcessSet that Horovod knows"):
        wrap(algorithms.Synchronous(), hvd.ProcessSet([0, 3]))
    with pytest.raises(ValueError, match=r"use hvd\.DistributedOptimizer"):
        wrap(algorithms.StockHorovod(), mine)
    with pytest.raises(ValueError, match="Horovod combines all ranks by Adasum or none"):
        wrap(algorithms.Adasum(), mine)
