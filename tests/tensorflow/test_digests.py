"""A digest of parameters: the same number whatever the size of the chunks, and never much memory."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from algorithms.tensorflow import agreement
from algorithms.tensorflow.agreement import digest


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250])
@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64], ids=str)
def test_it_is_the_sum_of_bits_by_place(size: int, dtype: tf.DType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "CHUNK", 100)
    values = np.random.default_rng(size).normal(size=size).astype(dtype.as_numpy_dtype)
    bits = values.view(f"i{values.itemsize}").astype(np.int64)
    with np.errstate(over="ignore"):
        expected = (bits * np.arange(1, size + 1)).sum()
    assert digest(tf.constant(values)).numpy() == expected
    assert tf.function(digest)(tf.constant(values)).numpy() == expected


def test_no_step_of_it_holds_more_than_a_chunk_of_wide_numbers() -> None:
    size = 3 * agreement.CHUNK
    traced = tf.function(digest).get_concrete_function(tf.TensorSpec((size,), tf.float32))
    graphs = [
        traced.graph,
        *(function.graph for function in traced.graph._functions.values() if hasattr(function, "graph")),
    ]
    wide = [
        output
        for graph in graphs
        for operation in graph.get_operations()
        for output in operation.outputs
        if output.dtype == tf.int64 and output.shape.num_elements() == size
    ]
    assert not wide
