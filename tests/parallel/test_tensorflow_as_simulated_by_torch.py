"""What is simulated, with gradients by PyTorch, is what really happens in TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from algorithms.contract import Algorithm, Rounds
from algorithms.tensorflow import DistributedOptimizer
from suite.experiment import choices
from suite.models import keras_builder
from tests.parallel.simulated_problem import CLOSE, MOMENTUM, RATE, TRIED, Trained, compare, specified, trained

pytestmark = [pytest.mark.ranks(4), pytest.mark.usefixtures("tensorflow_job")]


@pytest.fixture
def numbers(dtype: torch.dtype) -> Iterator[None]:
    """What Keras counts in."""
    before = keras.config.floatx()
    name = str(dtype).removeprefix("torch.")
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("numbers")
@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize("algorithm", TRIED, ids=lambda algorithm: algorithm.name)
def test_simulated_is_real(algorithm: Algorithm, dtype: torch.dtype, rank: int, ranks: int) -> None:
    specification = specified(algorithm, ranks, dtype)
    net = choices.net_of(specification.model)
    model = keras_builder.build(net, specification.seed)
    variables = model.trainable_variables
    optimizer = DistributedOptimizer(keras.optimizers.SGD(RATE, momentum=MOMENTUM), algorithm)
    records = optimizer.driver.keep_records() if isinstance(algorithm, Rounds) else []

    @tf.function(autograph=False)
    def train(images: tf.Tensor, labels: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(images, training=True)))
            weighted = loss * weight
        optimizer.apply(tape.gradient(weighted, variables), variables)
        return loss

    def step(images: np.ndarray, labels: np.ndarray, weight: float, pause: Callable[[], None]) -> float:
        pause()
        floats = model.compute_dtype
        return float(train(tf.cast(images, floats), tf.constant(labels), tf.constant(weight, floats)))

    losses = trained(specification, algorithm, rank, step)
    optimizer.finish()
    with optimizer.evaluation():
        parameters = {
            name: keras_builder.described(variable.numpy(), axes)
            for name, (variable, axes) in keras_builder.variables(net, model).items()
        }
    real = hvd.allgather_object(Trained(losses, parameters), name=f"trained.{algorithm.name}.{dtype}")
    if rank == 0:
        compare(algorithm, dtype, real, records)
