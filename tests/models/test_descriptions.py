"""What a description says of itself, without any framework."""

import math
import re

import numpy as np
import pytest

from suite.models import NAMES, describe

STATED = [  # sources: the nets' papers as computed in the project's notes; torchvision's sums for the last ones
    ("alexnet", {}, 61_100_840),
    ("alexnet-caffe", {}, 60_965_224),
    ("googlenet", {}, 6_998_552),
    ("googlenet", {"auxiliary": True}, 13_378_280),
    ("cifarnet", {}, 351_946),
    ("elastic-imagenet", {}, 61_128_808),
    ("inception-v3", {}, 23_834_568),
    ("inception-v3", {"auxiliary": True}, 27_161_264),
    ("resnet-50", {}, 25_557_032),
    ("vgg-16", {}, 138_357_544),
    ("vit", {}, 22_050_664),
    ("lenet", {}, 431_080),
    # GPT-2 small's 124,439,808 share the output matrix with the embedding; here it is a second matrix.
    (
        "gpt-small",
        {"length": 1024, "classes": 50257, "layers": 12, "heads": 12, "features": 768},
        124_439_808 + 50257 * 768,
    ),
]


@pytest.mark.parametrize(("name", "options", "count"), STATED)
def test_parameter_count_is_the_stated_one(name, options, count):
    assert describe(name, **options).parameter_count == count


def test_sides_of_the_elastic_papers_layers():
    cifar = [placed.output[0] for placed in describe("cifarnet").layers if len(placed.output) == 3]
    imagenet = [placed.output[0] for placed in describe("elastic-imagenet").layers if len(placed.output) == 3]
    assert list(dict.fromkeys(cifar)) == [24, 12, 8, 4, 2]
    assert list(dict.fromkeys(imagenet)) == [108, 36, 32, 16, 14, 13, 12, 6]


def test_alexnet_multiply_adds():
    """0.71 billion per image is what counters report for the one-tower net."""
    assert describe("alexnet").flops == 2 * 714_188_480


@pytest.mark.parametrize("name", NAMES)
def test_derived_numbers_are_consistent(name):
    net = describe(name)
    assert net.output_shape[-1] == net.classes
    assert sum(net.gradient_sizes) == 4 * net.parameter_count
    assert net.gradient_sizes[0] == 4 * net.parameters[-1].size
    assert net.activation_bytes >= 4 * math.prod(net.output_shape)
    assert len({parameter.name for parameter in net.parameters}) == len(net.parameters)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gpt-small"])
def test_every_image_net_has_a_variant_for_small_images(name):
    net = describe(name, image=32, width=0.25, classes=10, channels=3)
    assert net.input_shape == (32, 32, 3)
    assert net.parameter_count < describe(name).parameter_count or name in ("lenet", "tiny-cnn")


def test_width_scales_channels():
    assert describe("vgg-16", width=0.5).parameters[0].shape == (32, 3, 3, 3)
    assert describe("alexnet-caffe", width=0.01).parameters[0].shape[0] == 2  # at least one channel per group
    assert describe("gpt-small", width=0.5).parameters[0].shape == (256, 192)


def test_initial_values_depend_on_seed_and_name_only():
    narrow, net = describe("googlenet", image=32, width=0.1), describe("googlenet", image=64, width=0.1, classes=7)
    one, again, other = narrow.initial(1), net.initial(1), narrow.initial(2)
    shared = "inception3a.one.conv.weight"
    np.testing.assert_array_equal(one[shared], again[shared])
    assert not np.array_equal(one[shared], other[shared])
    assert one[shared].dtype == np.float32
    assert not np.array_equal(
        one["inception3a.one.conv.weight"].ravel()[:50], one["inception3b.one.conv.weight"].ravel()[:50]
    )


def test_initial_values_have_the_described_distribution():
    values = describe("elastic-imagenet", width=0.25).initial(0)
    weights = values["fc1.weight"]
    assert np.all(values["fc1.bias"] == np.float32(0.1))
    assert abs(weights.std() / math.sqrt(2 / weights.shape[1]) - 1) < 0.01
    assert abs(weights.mean()) < 4 * weights.std() / math.sqrt(weights.size)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alxnet", {}, "unknown model 'alxnet' (did you mean 'alexnet'?)"),
        ("alexnet", {"dropuot": 0.1}, "no option 'dropuot' (did you mean 'dropout'?)"),
        ("alexnet", {"width": 0}, "width 0"),
        ("alexnet", {"width": math.inf}, "width inf"),
        ("alexnet", {"classes": 0}, "classes of model alexnet is 0"),
        ("alexnet", {"image": 2.5}, "image of model alexnet is 2.5"),
        ("alexnet", {"dropout": 1.0}, "dropout rate 1.0"),
        ("alexnet", {"dropout": "half"}, "dropout of model alexnet is 'half'"),
        ("googlenet", {"auxiliary": 1}, "auxiliary of model googlenet is 1"),
        ("gpt-small", {"image": 32}, "no option 'image'"),
        ("vgg-16", {"image": 16}, "vgg-16 for inputs of (16, 16, 3): layer pool30, reached by (1, 1, 512)"),
        ("inception-v3", {"image": 32, "auxiliary": True}, "layer auxiliary.conv2.conv"),
    ],
)
def test_bad_input_is_named(name, options, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        describe(name, **options)
    assert "\n" not in str(error.value)
