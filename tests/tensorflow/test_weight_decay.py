"""What the user excludes from weight decay is excluded where the optimizer stands at the centre, too, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm
from algorithms.tensorflow import DistributedOptimizer


@pytest.fixture(autouse=True)
def _horovod(gloo_alone: None) -> Iterator[None]:
    hvd.init()
    yield
    hvd.shutdown()


@pytest.mark.parametrize("algorithm", [algorithms.Synchronous(), algorithms.BackupWorkers(spares=0)], ids=str)
@pytest.mark.parametrize(
    ("asked", "decaying"),
    [
        ({"var_names": ["^bias"]}, [True, False]),
        ({"var_names": ["centre"]}, [True, True]),  # a word in the names of the centre's own variables
        ({"var_list": [0]}, [False, True]),
        ({}, [True, True]),
    ],
    ids=str,
)
def test_weight_decay_leaves_out_what_the_user_names(
    algorithm: Algorithm, asked: dict[str, list[int]], decaying: list[bool]
) -> None:
    held = [keras.Variable(np.ones(3, np.float32), name=name) for name in ("kernel", "bias")]
    inner = keras.optimizers.SGD(0.5, weight_decay=0.5)
    if asked:
        inner.exclude_from_weight_decay(
            **{key: [held[v] for v in value] if key == "var_list" else value for key, value in asked.items()}
        )
    wrapped = DistributedOptimizer(inner, algorithm)
    wrapped.apply([tf.zeros(3), tf.zeros(3)], held)
    wrapped.finish()
    assert [bool(variable.numpy()[0] < 1) for variable in held] == decaying
