"""Replayed nets in PyTorch: right sizes, right moments, right values."""

import time
from functools import partial

import numpy as np
import pytest
import torch

from suite.models import replay_torch
from suite.models.profile import find
from suite.models.replayed import DECAY
from suite.models.slept import SleptDevice
from tests.models.scripted import Script
from tests.models.toy import SHAPES, toy_profile

X = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 3, 6, 6)).astype(np.float32))
LABELS = torch.tensor([1, 2, 3, 4])


def loss_of(model, x=X):
    return torch.nn.functional.cross_entropy(model(x), LABELS[: len(x)])


def test_parameters_have_the_recorded_shapes():
    model = replay_torch.build(toy_profile())
    found = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert found == {f"{layer}.{name}": shape for layer, own in SHAPES.items() for name, shape in own}


def test_dotted_names_are_kept_readable():
    model = replay_torch.build(find("googlenet-torch-cpu").scaled(size=0.001))
    assert "inception3a/one/conv.weight" in dict(model.named_parameters())


def test_forward_lasts_as_recorded():
    script = Script()
    loss_of(replay_torch.build(toy_profile(), SleptDevice(script.clock, script.sleep)))
    assert 0.016 <= script.now < 0.0162


def moments_of(model, clock):
    """Seconds from the start of backward to each gradient."""
    ready: dict[str, float] = {}

    def mark(name, parameter):
        ready[name] = clock()

    for name, parameter in model.named_parameters():
        parameter.register_post_accumulate_grad_hook(partial(mark, name))
    loss = loss_of(model)
    begun = clock()
    loss.backward()
    return {name: moment - begun for name, moment in ready.items()}


@pytest.mark.parametrize(("layer", "moment"), [("three", 0.003), ("two", 0.023), ("one", 0.029)])
def test_gradients_are_ready_at_their_moments(layer, moment):
    script = Script()
    moments = moments_of(replay_torch.build(toy_profile(), SleptDevice(script.clock, script.sleep)), script.clock)
    for name, _ in SHAPES[layer]:
        assert moment <= moments[f"{layer}.{name}"] < moment + 0.0002


def gradients(model, x=X):
    model.zero_grad()
    loss_of(model, x).backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def test_gradients_tell_batches_elements_and_parameters_apart():
    model = replay_torch.build(toy_profile())
    first, again, other = gradients(model), gradients(model), gradients(model, X + 1)
    for name, gradient in first.items():
        assert torch.equal(gradient, again[name])  # deterministic
        assert not torch.equal(gradient, other[name])
        assert gradient.unique().numel() > 1
        assert gradient.abs().max() > 0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.5
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, first[name] + 0.5 * DECAY)


def test_frozen_parameters_get_none():
    model = replay_torch.build(toy_profile())
    model.get_parameter("two.weight").requires_grad_(False)
    loss_of(model).backward()
    assert model.get_parameter("two.weight").grad is None
    assert model.get_parameter("one.weight").grad is not None


def test_an_update_between_forward_and_backward_is_an_error():
    """As for a real layer, whose backward needs the parameters that forward used."""
    model = replay_torch.build(toy_profile())
    loss = loss_of(model)
    with torch.no_grad():
        model.get_parameter("two.weight").add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_evaluation_without_gradients_sleeps_too():
    model = replay_torch.build(toy_profile())
    begun = time.perf_counter()
    with torch.no_grad():
        answer = model(X)
    assert time.perf_counter() - begun >= 0.016
    assert answer.shape == (4, 10)


def test_layers_end_early_where_nobody_wants_them_any_more():
    """Twenty times as slow as recorded: 0.3 s forward, 0.6 s backward."""
    script = Script(woken_at=0.1)
    model = replay_torch.build(toy_profile().scaled(time=20.0), SleptDevice(script.clock, script.sleep))
    wanted = gradients(replay_torch.build(toy_profile()))
    loss_of(model).backward()
    assert 0.1 <= script.now < 0.101
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter.grad, wanted[name])  # what they make is the same
