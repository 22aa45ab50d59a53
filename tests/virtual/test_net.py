"""A net as a function of a flat vector is the net; samples that share a pass have the gradients that they had alone."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from suite.models import describe, torch_builder
from suite.virtual.net_torch import FlatNet, Portion

RANDOM = np.random.default_rng(3)


def batch(samples: int, side: int = 28, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return (
        RANDOM.standard_normal((samples, side, side, channels), dtype=np.float32),
        RANDOM.integers(0, 10, samples),
    )


def small(name: str, dtype: torch.dtype = torch.float64, **options: object) -> FlatNet:
    return FlatNet(describe(name, image=28, width=0.125, classes=10, **options), 0, dtype=dtype)


@pytest.mark.parametrize("name", ["tiny-cnn", "lenet"])
def test_the_gradient_is_that_of_plain_training(name: str) -> None:
    net = describe(name, image=28, classes=10)
    flat, model = FlatNet(net, 0), torch_builder.build(net, 0)
    images, labels = batch(6, channels=net.input_shape[2])
    gradient, losses = flat.gradient(flat.initial, [Portion(0, 0, (images, labels))])
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    loss = functional.cross_entropy(model(inputs), torch.from_numpy(labels))
    loss.backward()
    assert losses == [float(loss.detach())]
    assert torch.equal(gradient, torch.cat([parameter.grad.reshape(-1) for parameter in model.parameters()]))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("alexnet", {"dropout": 0.0}),
        ("googlenet", {"dropout": 0.0}),
        ("googlenet", {"dropout": 0.0, "auxiliary": True}),
    ],
)
def test_one_pass_is_the_weighted_sum_of_passes(name: str, options: dict[str, object]) -> None:
    net = small(name, **options)
    portions = [Portion(worker, 0, batch(2 + worker), 0.5 + worker) for worker in range(3)]
    together, losses = net.gradient(net.initial, portions)
    alone = [net.gradient(net.initial, [one]) for one in portions]
    total = sum(gradient for gradient, _ in alone)
    assert (together - total).abs().max() <= 1e-12 * total.abs().max()
    assert losses == pytest.approx([loss for _, (loss,) in alone], rel=1e-12)


def test_looking_at_a_point_moves_nothing() -> None:
    net = small("lenet")
    start = net.initial.clone()
    elsewhere = net.initial + 0.1
    first, _ = net.gradient(net.initial, [Portion(0, 0, batch(2, channels=1))])
    net.gradient(elsewhere, [Portion(0, 0, batch(2, channels=1))])
    assert torch.equal(net.initial, start)
    assert torch.equal(elsewhere, start + 0.1)
    assert len(first) == len(start)


def test_dropout_depends_on_worker_and_step_alone() -> None:
    net, held = small("alexnet"), batch(4)
    gradients = [net.gradient(net.initial, [Portion(*who, held)])[0] for who in ((0, 0), (1, 0), (0, 1), (0, 0))]
    assert torch.equal(gradients[0], gradients[3])
    assert not torch.equal(gradients[0], gradients[1])
    assert not torch.equal(gradients[0], gradients[2])


def test_normalisation_statistics_are_each_workers_own() -> None:
    net = small("resnet-50", torch.float32)
    assert not net.joins
    held = batch(4)
    net.gradient(net.initial, [Portion(0, 0, held)])
    net.gradient(net.initial, [Portion(0, 1, held)])
    net.gradient(net.initial, [Portion(1, 0, held)])
    counted = [int(statistics[-1]) for statistics in (net.statistics[0], net.statistics[1])]
    assert counted == [2, 1]  # batches tracked
    assert net.evaluate(net.initial, [held], 0).loss != net.evaluate(net.initial, [held], 1).loss
