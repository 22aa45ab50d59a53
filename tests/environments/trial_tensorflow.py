"""What two ranks do in an environment with TensorFlow alone: train with one algorithm of each kind."""

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf

import algorithms
from algorithms.tensorflow import DistributedOptimizer

STEPS, BATCH = 12, 8


def net() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(2)])


def batch(rank: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng([step, rank]).normal(size=(BATCH, 6))
    return x, np.sin(x[:, :2])


def flat(model: keras.Model) -> np.ndarray:
    return np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])


def fitted(model: keras.Model, optimizer: keras.Optimizer, ranks: range) -> None:
    model.compile(optimizer=optimizer, loss="mse")
    for step in range(STEPS):
        x, y = (np.concatenate(parts) for parts in zip(*(batch(rank, step) for rank in ranks), strict=True))
        model.train_on_batch(x, y)


def serial(size: int) -> np.ndarray:
    model = net()
    fitted(model, keras.optimizers.SGD(0.1, momentum=0.5), range(size))
    return flat(model)


def trained(algorithm: algorithms.Algorithm) -> np.ndarray:
    model = net()
    optimizer = DistributedOptimizer(keras.optimizers.SGD(0.1, momentum=0.5), algorithm)
    fitted(model, optimizer, range(hvd.rank(), hvd.rank() + 1))
    optimizer.finish()
    with optimizer.evaluation():
        return flat(model)


keras.config.set_floatx("float64")
tf.config.threading.set_inter_op_parallelism_threads(4)
hvd.init()
for algorithm in (algorithms.Synchronous(), algorithms.LayerWise()):
    np.testing.assert_allclose(trained(algorithm), serial(hvd.size()), rtol=0, atol=1e-12, err_msg=str(algorithm))
for algorithm in (algorithms.Delayed(steps=1), algorithms.LocalSGD(period=2), algorithms.ElasticAveraging(period=2)):
    mine = trained(algorithm)
    assert np.array_equal(hvd.broadcast(mine, 0, name=f"rank 0's {algorithm}").numpy(), mine), algorithm
    assert np.linalg.norm(mine - serial(1)) < 1.0, algorithm
