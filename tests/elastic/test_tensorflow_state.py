"""One Keras worker: what was committed comes back, whatever the algorithm; and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf
from horovod.common.exceptions import HorovodInternalError

import algorithms
from algorithms.contract import Algorithm
from algorithms.tensorflow import DistributedOptimizer, ElasticState, elastic
from tests.elastic.tensorflow_problem import batch, net


@pytest.fixture(autouse=True)
def horovod(gloo_alone: None) -> Iterator[None]:
    hvd.init()
    yield
    hvd.shutdown()


def state_of(algorithm: Algorithm) -> ElasticState:
    model = net()

    def wrap() -> DistributedOptimizer:
        model.compile(optimizer=DistributedOptimizer(keras.optimizers.Adam(0.01), algorithm), loss="mse")
        return model.optimizer

    return ElasticState(model, wrap, step=0)


def train(state: ElasticState, until: int) -> None:
    while state.step < until:
        state.count(8)
        state.model.train_on_batch(*batch(0, state.step))
        state.step += 1


def trained(algorithm: Algorithm, losses: list[Exception | None]) -> ElasticState:
    """Eight steps with a commit after the fourth, and at the sixth what is to happen."""
    left = iter(losses)

    @elastic.run
    def training(state: ElasticState) -> None:
        happens = next(left)
        if state.step < 4:
            train(state, 4)
            state.commit()
        if happens is not None:
            train(state, 6)
            raise happens
        train(state, 8)
        state.optimizer.finish()

    state = state_of(algorithm)
    training(state)
    return state


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.Synchronous(),
        algorithms.LayerWise(),
        algorithms.BackupWorkers(spares=0),
        algorithms.ElasticAveraging(period=2),
        algorithms.LocalSGD(period=3),
        algorithms.SlowMo(period=2),
    ],
    ids=lambda algorithm: algorithm.name,
)
def test_a_loss_costs_what_was_not_committed_and_nothing_else(algorithm: Algorithm) -> None:
    straight = trained(algorithm, [None])
    state = trained(algorithm, [HorovodInternalError("a worker is gone"), None])
    for mine, wanted in zip(state.model.variables, straight.model.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), wanted.numpy())
    (recovery,) = state.recoveries
    assert (recovery.lost, recovery.before, recovery.workers, recovery.newcomers) == (True, 1, 1, 0)
    assert (state.samples, state.samples_lost) == (32, 16)


def failed(text: str) -> Exception:
    return tf.errors.UnknownError(None, None, text)


@pytest.mark.parametrize(
    "text",
    [
        "Horovod has been shut down. This was caused by ... [[{{node farandole.0.rounds.vote.24}}]]",
        "[/build/third_party/gloo/gloo/transport/tcp/pair.cc:598] Connection closed by peer [127.0.0.1]:43141",
    ],
)
def test_a_lost_worker_is_known_by_what_tensorflow_says(text: str) -> None:
    assert len(trained(algorithms.Synchronous(), [failed(text), None]).recoveries) == 1


def test_no_other_error_is_taken_for_the_end_of_training() -> None:
    with pytest.raises(tf.errors.UnknownError, match="file not found"):
        trained(algorithms.Synchronous(), [failed("file not found"), None])


def test_horovods_own_loop_is_refused() -> None:
    @hvd.elastic.run
    def training(state: Any) -> None:
        pytest.fail("not reached")

    with pytest.raises(ValueError, match=r"decorate the training function with algorithms\.tensorflow\.elastic\.run"):
        training(state_of(algorithms.Synchronous()))


def test_a_model_without_weights_is_refused() -> None:
    model = keras.Sequential([keras.layers.Dense(2)], name="new")
    with pytest.raises(ValueError, match=r"model 'new' has no weights yet: call model\.build"):
        ElasticState(model, lambda: pytest.fail("not made"))
