"""One small net as a session of either framework, bare optimizer inside, for tests that hold for both."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import torch

from suite.data import Batch
from suite.models import Net, describe, keras_builder, torch_builder
from suite.training import Rule, Session, bare_tensorflow, bare_torch
from suite.training.tensorflow_loop import TensorflowSession
from suite.training.torch_loop import TorchSession

FRAMEWORKS = ("torch", "tensorflow")


def tiny() -> Net:
    return describe("tiny-cnn", image=8, channels=1)


def model(framework: str, net: Net, seed: int = 0) -> Any:
    return torch_builder.build(net, seed) if framework == "torch" else keras_builder.build(net, seed)


def optimizer(framework: str, built: Any, rate: float, momentum: float) -> Any:
    if framework == "torch":
        return bare_torch.Bare(torch.optim.SGD(built.parameters(), lr=rate, momentum=momentum))
    return bare_tensorflow.Bare(keras.optimizers.SGD(rate, momentum=momentum))


def session(
    framework: str,
    built: Any,
    *,
    rate: float = 0.1,
    momentum: float = 0.0,
    rule: Rule | None = None,
    steps_per_call: int = 1,
    wrapped: Any = None,
    head_weights: tuple[float, ...] = (1.0,),
    barrier: Callable[[], object] = lambda: None,
) -> Session:
    inner = wrapped or optimizer(framework, built, rate, momentum)
    if framework == "torch":
        return TorchSession(built, inner, learning_rate=rule, head_weights=head_weights, barrier=barrier)
    return TensorflowSession(
        built,
        inner,
        learning_rate=rule,
        steps_per_call=steps_per_call,
        head_weights=head_weights,
        barrier=barrier,
    )


def batches(count: int, size: int = 16, seed: int = 0) -> list[Batch]:
    draw = np.random.default_rng(seed)
    return [(draw.random((size, 8, 8, 1), dtype=np.float32), draw.integers(0, 10, size)) for _ in range(count)]


def values(of: Session) -> list[np.ndarray]:
    return list(of.parameters().values())


def with_noise(framework: str) -> Any:
    """Batch normalisation (statistics) and dropout (random state) beside trainable values."""
    if framework == "torch":
        torch.manual_seed(3)
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3),
            torch.nn.BatchNorm2d(4),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(144, 10),
        )
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10),
        ]
    )


def statistics(built: Any) -> list[np.ndarray]:
    if isinstance(built, torch.nn.Module):
        return [value.numpy().copy() for value in built.buffers()]
    return [np.array(value.numpy()) for value in built.non_trainable_variables]


class Elsewhere:
    """Mixed into a bare optimizer: what one evaluates is the model with every parameter set to zero."""

    def __init__(self, inner: Any, built: Any) -> None:
        self._inner = inner
        self._built = built

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        if isinstance(self._built, torch.nn.Module):
            kept = [parameter.detach().clone() for parameter in self._built.parameters()]
            with torch.no_grad():
                for parameter in self._built.parameters():
                    parameter.zero_()
                yield
                for parameter, value in zip(self._built.parameters(), kept, strict=True):
                    parameter.copy_(value)
        else:
            weights = self._built.get_weights()
            self._built.set_weights([np.zeros_like(weight) for weight in weights])
            yield
            self._built.set_weights(weights)
