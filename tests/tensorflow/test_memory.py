"""What TensorFlow does with memory that is not its own."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from algorithms.tensorflow.arrays import BORDER, given_away, shared_memory


def at(offset: int, count: int = 1000) -> np.ndarray:
    """Numbers that begin so many bytes behind a border."""
    room = np.zeros(4 * count + 2 * BORDER, np.uint8)
    start = -room.ctypes.data % BORDER + offset
    return room[start : start + 4 * count].view(np.float32)


@pytest.mark.parametrize("offset", range(0, BORDER, 4))
def test_what_is_assigned_is_copied(offset: int) -> None:
    ours = at(offset)
    variable = tf.Variable(tf.zeros(ours.shape))
    variable.assign(ours)
    variable.assign_add(tf.ones(ours.shape))
    assert not ours.any()


@pytest.mark.parametrize("offset", range(0, BORDER, 4))
def test_what_a_callback_gives_away_is_nobody_else_s(offset: int) -> None:
    ours = at(offset)
    variable = tf.Variable(tf.zeros(ours.shape))

    @tf.function
    def take() -> None:
        variable.assign(tf.ensure_shape(tf.numpy_function(lambda: given_away(ours), [], tf.float32), ours.shape))
        variable.assign_add(tf.ones(ours.shape))

    take()
    assert not ours.any()


def test_what_lies_as_tensors_do_is_copied_once_and_taken_over() -> None:
    tensor = tf.random.normal([1000])
    copy = given_away(shared_memory(tensor))
    taken = tf.function(lambda: tf.numpy_function(lambda: copy, [], tf.float32))()
    assert np.shares_memory(copy, shared_memory(taken))
    assert not np.shares_memory(copy, shared_memory(tensor))
