"""Real gradients of a real net: with every format digits are learned from about as many samples as with plain numbers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import algorithms
from algorithms.torch.arrays import shape_of
from algorithms.virtual import SGD, Cluster
from suite.data import open_data
from suite.models import describe, torch_builder

WORKERS, BATCH, SEEDS, TARGET = 2, 16, (0, 1, 2), 0.97
STEPS, EVERY = 200, 2


def split(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    source = open_data("digits", split=name, batch_size=360, rank=0, size=1, seed=0)
    images, labels = (np.concatenate(parts) for parts in zip(*source.batches(), strict=True))
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))), torch.from_numpy(labels)


@cache
def samples_needed(wire: str, seed: int) -> int:
    """Until the test accuracy first is what it must be."""
    net = torch_builder.build(describe("tiny-cnn", image=8, channels=1), seed)
    (images, labels), test = split("train"), split("test")
    order = np.random.default_rng(seed).integers(0, len(images), (STEPS, WORKERS, BATCH))
    parameters = list(net.parameters())
    places = np.cumsum([p.numel() for p in parameters])[:-1]

    def put(x: NDArray[np.float32]) -> None:
        with torch.no_grad():
            for p, values in zip(parameters, np.split(x, places), strict=True):
                p.copy_(torch.from_numpy(values.reshape(p.shape)))

    def gradient(worker: int, step: int, x: NDArray[np.float32]) -> NDArray[np.float32]:
        put(x)
        net.zero_grad()
        chosen = torch.from_numpy(order[step, worker])
        torch.nn.functional.cross_entropy(net(images[chosen]), labels[chosen]).backward()
        return np.concatenate([p.grad.numpy().ravel() for p in parameters])  # type: ignore[union-attr]

    cluster = Cluster(
        workers=WORKERS,
        algorithm=algorithms.Synchronous(),
        optimizer=SGD(learning_rate=0.05, momentum=0.9),
        parameters=np.concatenate([p.detach().numpy().ravel() for p in parameters]),
        gradient=gradient,
        layers=[shape_of(p) for p in parameters],
        wire=wire,
    )
    for number, x in enumerate(cluster.run(steps=STEPS, record=EVERY).parameters):
        put(x)
        with torch.no_grad():
            right = (net(test[0]).argmax(1) == test[1]).float().mean().item()
        if right >= TARGET:
            return number * EVERY * WORKERS * BATCH
    raise AssertionError(f"{wire}, seed {seed}: {TARGET:.0%} was not reached in {STEPS} steps")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("wire", ["fp16", "int16", "powersgd:rank=4"])
def test_digits_are_learned_from_as_many_samples(wire: str) -> None:
    plain = [samples_needed("none", seed) for seed in SEEDS]
    coded = [samples_needed(wire, seed) for seed in SEEDS]
    print(f"samples to {TARGET:.0%}: plain {plain}, {wire} {coded}, ratio {sum(coded) / sum(plain):.3f}")
    assert sum(coded) <= 1.1 * sum(plain)
