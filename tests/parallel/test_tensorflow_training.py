"""The training loop around the TensorFlow wrapper on real ranks."""

import time
from collections.abc import Sequence
from typing import Any

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.tensorflow import DistributedOptimizer
from suite.data import Source, check_same, open_data
from suite.models import describe, keras_builder
from suite.training import Plan, train
from suite.training.recipes import DIGITS
from suite.training.tensorflow_loop import TensorflowSession

pytestmark = pytest.mark.ranks(2)


@pytest.fixture(autouse=True)
def horovod() -> None:
    hvd.init()


def net() -> keras.Model:
    return keras_builder.build(describe(DIGITS.model, image=8, channels=1, width=DIGITS.width), 0)


def sgd() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(DIGITS.learning_rate, momentum=DIGITS.momentum)


def digits(
    split: str, rank: int, ranks: int, batch_size: int = DIGITS.batch_size // 2, limit: int | None = None
) -> Source:
    return open_data(
        "digits",
        split=split,  # type: ignore[arg-type]
        batch_size=batch_size,
        rank=rank,
        size=ranks,
        seed=0,
        limit=limit,
    )


def exchange(mine: Any) -> Sequence[Any]:
    found: Sequence[Any] = hvd.allgather_object(mine, name="test.training")
    return found


@pytest.mark.parametrize("steps_per_call", [1, 4])
def test_the_digits_reach_98_percent_in_a_minute(rank: int, ranks: int, steps_per_call: int) -> None:
    began = time.monotonic()
    source, test = (digits(split, rank, ranks) for split in ("train", "test"))
    check_same(exchange(source.contents))
    optimizer = DistributedOptimizer(sgd(), algorithms.Synchronous())
    session = TensorflowSession(net(), optimizer, steps_per_call=steps_per_call)
    plan = Plan(
        steps=DIGITS.epochs * source.steps_per_epoch,
        evaluate_every=source.total_samples,
        targets=(0.9, DIGITS.target),
        stop_at_targets=True,
    )
    result = train(session, source, plan, test=test, exchange=exchange, finish=optimizer.finish)
    optimizer.finish()
    print(*result.outcomes, sep="\n")
    assert result.verdict == "reached every target"
    assert result.evaluations[-1].evaluation.samples == 360
    assert time.monotonic() - began < 60
    everybody = exchange((result.verdict, [one.evaluation for one in result.evaluations]))
    assert everybody[0] == everybody[1]


def test_short_and_empty_batches_are_exact_against_one_device(rank: int, ranks: int) -> None:
    """41 samples in batches of 10: 21 and 20, so a third step of one sample and none."""
    model = net()
    optimizer = DistributedOptimizer(sgd(), algorithms.Synchronous())
    session = TensorflowSession(model, optimizer)
    source = digits("train", rank, ranks, batch_size=10, limit=41)
    train(session, source, Plan(steps=6), exchange=exchange, finish=optimizer.finish)
    optimizer.finish()

    alone = net()
    reference = sgd()
    streams = [digits("train", other, ranks, batch_size=10, limit=41).stream() for other in range(ranks)]
    for _ in range(6):
        batches = [next(stream) for stream in streams]
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        with tf.GradientTape() as tape:
            answers = alone(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, answers))
        variables = alone.trainable_variables
        reference.apply(tape.gradient(loss, variables), variables)
    for mine, theirs in zip(model.get_weights(), alone.get_weights(), strict=True):
        assert np.allclose(mine, theirs, rtol=1e-5, atol=1e-6)
