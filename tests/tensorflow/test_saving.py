"""A state that Keras saves during rounds of gradients: centre and optimizer of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.tensorflow import DistributedOptimizer
from algorithms.tensorflow.rounds.driver import RoundsDriver


@pytest.fixture(autouse=True)
def _horovod(gloo_alone: None) -> Iterator[None]:
    hvd.init()
    yield
    hvd.shutdown()


class Store(dict[str, Any]):
    """Notes whether a round could begin while something was saved."""

    def __init__(self, driver: RoundsDriver) -> None:
        super().__init__()
        self.driver, self.still = driver, True

    def __setitem__(self, key: str, value: Any) -> None:
        self.still &= self.driver.work.whole.locked()
        super().__setitem__(key, value)


def make() -> tuple[DistributedOptimizer, keras.Variable]:
    optimizer = DistributedOptimizer(keras.optimizers.SGD(0.1, momentum=0.9), algorithms.Asynchronous(ahead=False))
    weight = keras.Variable(np.ones(3, np.float32), name="weight")
    optimizer.build([weight])
    return optimizer, weight


def train(optimizer: DistributedOptimizer, weight: keras.Variable, steps: int) -> None:
    for _ in range(steps):
        optimizer.apply([tf.convert_to_tensor(weight.value)], [weight])


def test_what_is_saved_and_loaded_is_of_one_moment() -> None:
    optimizer, weight = make()
    train(optimizer, weight, 3)
    assert isinstance(optimizer.driver, RoundsDriver)
    store, held = Store(optimizer.driver), weight.numpy()
    optimizer.save_own_variables(store)
    assert len(store) == len(optimizer.variables)
    assert store.still, "a round may have moved the centre between two of its variables"
    train(optimizer, weight, 2)
    later = [variable.numpy() for variable in optimizer.inner_optimizer.variables]  # Keras saves these once more
    train(optimizer, weight, 1)
    optimizer.finish()
    unbroken = weight.numpy()

    again, other = make()
    other.assign(held)
    again.load_own_variables(store)
    for variable, value in zip(again.inner_optimizer.variables, later, strict=True):
        variable.assign(value)
    train(again, other, 3)
    again.finish()
    np.testing.assert_allclose(other.numpy(), unbroken, rtol=1e-6)


def test_a_state_of_other_variables_leaves_what_keras_restores_itself() -> None:
    """Trained on several ranks in a format with residuals, or by another algorithm: the wrapped optimizer goes on."""
    weight = keras.Variable(np.ones(3, np.float32), name="weight")
    saved, again = (
        DistributedOptimizer(keras.optimizers.SGD(0.1, momentum=0.9), algorithm)
        for algorithm in (algorithms.Delayed(steps=1), algorithms.Synchronous())
    )
    saved.build([weight])
    train(saved, weight, 3)
    store, inner = {}, {}
    saved.save_own_variables(store)
    saved.inner_optimizer.save_own_variables(inner)
    again.build([weight])
    with pytest.warns(UserWarning, match="Skipping variable loading"):
        again.load_own_variables(store)
    again.inner_optimizer.load_own_variables(inner)
    momentum = next(v for v in again.inner_optimizer.variables if v.name.endswith("momentum"))
    before, gradient = momentum.numpy(), weight.numpy()
    assert before.any()
    train(again, weight, 1)
    np.testing.assert_allclose(momentum.numpy(), 0.9 * before - 0.1 * gradient, rtol=1e-6)
    assert int(again.iterations.numpy()) == 3  # two of three delayed gradients had been applied


def test_weights_are_set_as_variables_are_listed() -> None:
    trained, again = make()[0], make()[0]
    with pytest.raises(ValueError, match=r"1 weights for .* variables: build the optimizer, and give as many"):
        again.set_weights([np.ones(3)])
    for variable in trained.variables:
        variable.assign(np.full(variable.shape, 3))
    again.set_weights([variable.numpy() for variable in trained.variables])
    assert all((variable.numpy() == 3).all() for variable in again.inner_optimizer.variables)
