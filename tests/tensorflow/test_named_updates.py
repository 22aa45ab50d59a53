"""A profile can ask whose an update is; the user's optimizer stays as it was."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

from algorithms.tensorflow.names import updated
from algorithms.tensorflow.update import update


@pytest.mark.parametrize("scaled", [False, True])
def test_whatever_writes_a_variable_says_whose_it_is(scaled: bool) -> None:
    inner = keras.optimizers.Adam(0.1)
    optimizer = keras.optimizers.LossScaleOptimizer(inner) if scaled else inner
    variables = [keras.Variable([1.0, 2.0], name=name) for name in ("a", "b")]
    optimizer.build(variables)
    traced = tf.function(lambda: update(optimizer, [tf.ones(2), tf.ones(2)], variables), autograph=False)
    graph = traced.get_concrete_function().graph
    held = [graph, *(graph._get_function(name).graph for name in graph._functions)]
    operations = [operation.name for one in held for operation in one.get_operations() if "Assign" in operation.type]
    # A variable's own value and its two moments.
    assert sorted(number for name in operations if (number := updated(name)) is not None) == [0, 0, 0, 1, 1, 1]
    assert "update_step" not in vars(inner)


def test_an_update_that_the_user_gave_this_object_stays() -> None:
    optimizer = keras.optimizers.SGD(0.1)
    variable = keras.Variable(1.0)
    optimizer.build([variable])
    own = lambda gradient, variable, learning_rate: variable.assign(gradient)  # noqa: E731
    optimizer.update_step = own
    tf.function(lambda: update(optimizer, [tf.constant(7.0)], [variable]), autograph=False)()
    assert vars(optimizer)["update_step"] is own
    assert float(variable.numpy()) == 7.0
