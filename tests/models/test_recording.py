"""Recording: what is attributed to which layer, on a scripted clock and on real ones."""

import math
from itertools import count

import pytest

from suite.models import describe
from suite.models.layer_times import Times
from suite.models.recording import profile_of, record
from suite.models.recording_keras import owners
from suite.models.recording_torch import Marks


def test_marks_become_times():
    marks = Marks(begun=1.0, entered={"a": 1.5, "b": 3.0}, answered=7.0, ready={"b": 9.0, "a": 12.0})
    assert marks.times() == Times(forward={"a": 2.0, "b": 4.0}, backward={"b": 2.0, "a": 3.0})


def test_layers_without_parameters_count_with_the_one_before():
    assert owners(describe("tiny-cnn")) == {
        "conv1": "conv1",
        "relu1": "conv1",
        "conv2": "conv2",
        "relu3": "conv2",
        "pool4": "conv2",
        "flatten5": "conv2",
        "fc": "fc",
    }


def test_the_profile_holds_medians_in_forward_order():
    net = describe("tiny-cnn")
    times = [
        Times({"conv1": 1.0, "conv2": 2.0, "fc": 3.0}, {"fc": 4.0, "conv2": 5.0, "conv1": factor})
        for factor in (6, 60, 7)
    ]
    profile = profile_of(net, 4, "torch", "here", times)
    assert [(one.name, one.forward_seconds, one.backward_seconds) for one in profile.layers] == [
        ("conv1", 1.0, 7.0),
        ("conv2", 2.0, 5.0),
        ("fc", 3.0, 4.0),
    ]
    profile.require(net)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tiny-cnn", {}),
        ("googlenet", {"image": 32, "width": 0.1, "classes": 10, "auxiliary": True}),
        ("resnet-50", {"image": 32, "width": 0.1, "classes": 10}),
        ("gpt-small", {"length": 8, "width": 0.1, "classes": 20, "layers": 2}),
    ],
)
def test_every_layer_of_a_real_step_gets_its_time(framework, name, options):
    net = describe(name, **options)
    profile = record(net, 2, framework, repeats=2, warmup=1)
    profile.require(net)
    assert (profile.framework, profile.batch, profile.classes) == (framework, 2, net.classes)
    assert all(layer.forward_seconds > 0 for layer in profile.layers)
    assert all(layer.backward_seconds > 0 for layer in profile.layers)
    assert "CPU" in profile.machine or "GPU" in profile.machine or "cuda" in profile.machine.lower()


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_all_seconds_come_from_the_clock(framework):
    """A clock that counts its reads: every duration is a whole number of reads."""
    ticks = count()
    profile = record(describe("tiny-cnn"), 2, framework, repeats=1, warmup=0, clock=lambda: float(next(ticks)))
    for layer in profile.layers:
        assert layer.forward_seconds == math.floor(layer.forward_seconds) >= 1
        assert layer.backward_seconds == math.floor(layer.backward_seconds) >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch 0 is not at least 1"),
        ({"batch": 2, "repeats": 0}, "repeats 0"),
        ({"batch": 2, "warmup": -1}, "warmup -1"),
        ({"batch": 2, "framework": "mxnet"}, "framework 'mxnet'"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        record(describe("tiny-cnn"), **{"framework": "torch", **options})


class Event:
    """On a stream, in milliseconds."""

    def __init__(self, at: float) -> None:
        self.at = at

    def elapsed_time(self, later: "Event") -> float:
        return later.at - self.at


def test_events_on_a_gpu_become_seconds_from_the_first():
    marks = Marks(Event(50.0), {"a": Event(150.0), "b": Event(250.0)}, Event(550.0), {"b": Event(650.0)})
    assert marks.on_gpu() == Marks(0.0, {"a": 0.1, "b": 0.2}, 0.5, {"b": 0.6})


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"device gpu: PyTorch .* sees none"):
        record(describe("tiny-cnn"), 2, "torch", device="gpu")
