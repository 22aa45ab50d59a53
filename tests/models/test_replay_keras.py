"""Replayed nets in Keras: the same values as in PyTorch, in eager mode, in unrolled graphs and under fit."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from suite.models import replay_keras
from suite.models.slept import SleptDevice
from tests.models.scripted import Script
from tests.models.toy import SHAPES, toy_profile

X = np.random.default_rng(0).standard_normal((4, 6, 6, 3)).astype(np.float32)
LABELS = np.array([1, 2, 3, 4])
STEP_SECONDS = 0.016 + 0.029


def loss_of(model, x=X):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, model(x, training=True)))


def gradients_of(model, x=X):
    with tf.GradientTape() as tape:
        loss = loss_of(model, x)
    return tape.gradient(loss, [variable.value for variable in model.trainable_variables])


def test_variables_have_the_recorded_shapes():
    model = replay_keras.build(toy_profile())
    found = {variable.path: tuple(variable.shape) for variable in model.trainable_variables}
    assert found == {f"{layer}/{name}": shape for layer, own in SHAPES.items() for name, shape in own}


def test_values_are_those_of_the_torch_replay():
    """Asked for in a test only: the builders themselves know one framework each."""
    torch = pytest.importorskip("torch")
    from suite.models import replay_torch

    theirs = replay_torch.build(toy_profile())
    # Both see the same first values of each sample when the channels-last batch is handed to both as it is.
    loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(X)), torch.from_numpy(LABELS))
    loss.backward()
    model = replay_keras.build(toy_profile())
    assert float(loss_of(model)) == pytest.approx(loss.item(), rel=1e-6)
    for gradient, parameter in zip(gradients_of(model), theirs.parameters(), strict=True):
        np.testing.assert_allclose(gradient.numpy(), parameter.grad.numpy(), rtol=1e-5, atol=1e-8)


def test_eager_step_lasts_as_recorded():
    script = Script()
    gradients_of(replay_keras.build(toy_profile(), SleptDevice(script.clock, script.sleep)))
    assert STEP_SECONDS <= script.now < STEP_SECONDS + 0.0002


def unrolled(model, steps, rate=0.1):
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function
    def run():
        losses = []
        for _ in range(steps):
            with tf.GradientTape() as tape:
                loss = loss_of(model, tf.constant(X))
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(rate * gradient)
            losses.append(loss)
        return losses

    return run


def test_unrolled_steps_last_as_recorded_one_after_another():
    script = Script()
    unrolled(replay_keras.build(toy_profile(), SleptDevice(script.clock, script.sleep)), steps=3)()
    assert 3 * STEP_SECONDS <= script.now < 3 * (STEP_SECONDS + 0.0002)


def test_unrolled_steps_see_each_others_updates():
    """The gradient depends on the parameter, so three unrolled steps must do what three eager ones do."""
    graph, eager = replay_keras.build(toy_profile()), replay_keras.build(toy_profile())
    unrolled(graph, steps=3)()
    for _ in range(3):
        for variable, gradient in zip(eager.trainable_variables, gradients_of(eager), strict=True):
            variable.value.assign_sub(0.1 * gradient)
    for one, other in zip(graph.trainable_variables, eager.trainable_variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6, atol=1e-7)


def test_steps_that_depend_on_nothing_still_take_turns():
    """A graph may run independent passes at once; a device cannot. Two forward passes last twice as long as one."""
    model = replay_keras.build(toy_profile())
    run = tf.function(lambda x: (model(x), model(x + 1)))
    run(tf.constant(X))
    begun = time.perf_counter()
    run(tf.constant(X))
    assert time.perf_counter() - begun >= 2 * 0.016


def test_fit_with_several_steps_per_execution():
    model = replay_keras.build(toy_profile())
    before = [variable.numpy() for variable in model.trainable_variables]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, steps_per_execution=2)
    assert not model.jit_compile
    model.fit(tf.data.Dataset.from_tensors((X, LABELS)).repeat(4), epochs=1, verbose=0)
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert not np.array_equal(old, variable.numpy())
