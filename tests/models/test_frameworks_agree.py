"""The PyTorch and the Keras build of one description are the same function."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from suite.models import Net, describe, keras_builder, torch_builder
from suite.models.layers import GlobalAverage, Linear, Pool
from suite.models.nets.blocks import conv_norm
from suite.models.structure import Chain
from tests.models.variants import NORMALISED, PLAIN, batch_for, compare, to_torch

OUTPUTS, GRADIENTS = 1e-5, 1e-4


@pytest.mark.parametrize(("name", "options"), PLAIN)
def test_plain_nets(name, options):
    outputs, gradients = compare(name, options, training=True)
    assert outputs < OUTPUTS
    assert gradients < GRADIENTS


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("name", "options"), NORMALISED)
def test_normalised_nets(name, options, training):
    """In float64: through 50 batch normalisations of 3 samples, float32 in one framework alone is off by 10 %; and in 50
    layers a unit may be so near its kink that on one processor, not on another, the last bit decides whether it switches.
    """
    outputs, gradients = compare(name, options, training, double=True)
    assert outputs < 1e-10
    assert gradients < 1e-10


def shallow() -> Net:
    layers = (
        conv_norm("one", 8, 3),
        Pool("max", 3, 2, padding=1),
        conv_norm("two", 8, 3),
        GlobalAverage(),
        Linear("fc", 5),
    )
    return Net("shallow", (12, 12, 3), 5, Chain("shallow", layers))


def test_batch_norm_trains_and_remembers_alike():
    """float32, three batches of training, then evaluation with the running statistics they left."""
    net = shallow()
    ours, theirs = torch_builder.build(net, 0).train(), keras_builder.build(net, 0)
    for seed in range(3):
        x = batch_for(net, samples=4) * (1 + seed) + seed
        one = ours(to_torch(net, x)).detach().numpy()
        np.testing.assert_allclose(theirs(x, training=True).numpy(), one, rtol=0, atol=OUTPUTS)
    layer, norm = theirs.get_layer("two.norm"), ours.get_submodule("two.norm")
    np.testing.assert_allclose(layer.moving_mean.numpy(), norm.running_mean.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), norm.running_var.numpy(), rtol=1e-5)
    x = batch_for(net, samples=4)
    with torch.no_grad():
        one = ours.eval()(to_torch(net, x)).numpy()
    np.testing.assert_allclose(theirs(x, training=False).numpy(), one, rtol=0, atol=OUTPUTS)


def test_dropout_acts_in_training_only():
    net = describe("alexnet", image=32, width=0.1, classes=10)
    x = batch_for(net)
    ours, theirs = torch_builder.build(net, 1), keras_builder.build(net, 1)
    with torch.no_grad():
        still = ours.eval()(to_torch(net, x)).numpy()
        assert not np.allclose(ours.train()(to_torch(net, x)).numpy(), still)
    np.testing.assert_allclose(theirs(x, training=False).numpy(), still, rtol=0, atol=OUTPUTS)
    assert not np.allclose(theirs(x, training=True).numpy(), still)


def test_keras_model_computes_the_same_in_a_graph():
    net = describe("googlenet", image=32, width=0.1, classes=10)
    model = keras_builder.build(net, 1)
    x = batch_for(net)
    np.testing.assert_allclose(tf.function(model)(x).numpy(), model(x).numpy(), rtol=0, atol=OUTPUTS)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixelcnn_looks_back_only(channels):
    net = describe("pixelcnn", image=6, width=0.1, classes=4, channels=channels, blocks=3)
    model = torch_builder.build(net, 0)
    x = batch_for(net, samples=1)
    with torch.no_grad():
        before = model(to_torch(net, x)).numpy().reshape(-1, 4)
        changed = 3 * 6 * channels + 2 * channels + channels // 2  # row 3, column 2, its middle colour
        x.reshape(-1)[changed] += 10
        moved = np.abs(model(to_torch(net, x)).numpy().reshape(-1, 4) - before).max(axis=1) > 0
    assert not moved[: changed + 1].any()
    assert moved[changed + 1 :].mean() > 0.5


def test_gpt_looks_back_only():
    net = describe("gpt-small", length=10, width=0.1, classes=20, layers=2, dropout=0.0)
    model = keras_builder.build(net, 0)
    x = batch_for(net, samples=1)
    before = model(x).numpy()[0]
    x[0, 6] = (x[0, 6] + 1) % 20
    moved = np.abs(model(x).numpy()[0] - before).max(axis=1) > 0
    assert moved.tolist() == [False] * 6 + [True] * 4
