"""A net of the suite as a function of one flat vector: gradients at a point, losses, and what evaluation counts."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from suite.data import Batch
from suite.models import Net, torch_builder
from suite.training.evaluation import NOTHING, Evaluation, count, merged


@dataclass(frozen=True)
class Portion:
    """One worker's batch, and what the mean of its samples' gradients counts in a sum."""

    worker: int
    step: int
    batch: Batch
    factor: float = 1.0


class FlatNet:
    """The model's parameters are views of whichever vector it is placed at: nothing is copied to look at another point.

    Normalisation statistics are each worker's own, as on a rank. Dropout draws from the seed, the worker and the step.
    """

    def __init__(self, net: Net, seed: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.seed, self.device = seed, torch.device(device)
        self.head_weights = net.head_weights
        self.model = torch_builder.build(net, seed).to(self.device, dtype).train()
        self.names = [name for name, _ in self.model.named_parameters()]
        self.parameters = list(self.model.parameters())
        self.sizes = tuple(parameter.numel() for parameter in self.parameters)
        ends = np.cumsum((0, *self.sizes))
        self._views = [
            (slice(a, b), parameter.shape) for (a, b), parameter in zip(pairwise(ends), self.parameters, strict=True)
        ]
        self.initial = torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters])
        self._buffers = [buffer for _, buffer in self.model.named_buffers() if not _fixed(buffer, self.model)]
        self._at_start = [buffer.clone() for buffer in self._buffers]
        self.statistics: dict[int, list[Tensor]] = {}  # of each worker that has computed
        self._random = any(isinstance(module, nn.Dropout) for module in self.model.modules())

    @property
    def joins(self) -> bool:
        """Whether samples of several workers may share a pass: not where a layer looks at its whole batch."""
        return not self._buffers

    def named(self, vector: Tensor) -> dict[str, NDArray[Any]]:
        """The parameters at a point, by name."""
        return {
            name: vector[span].reshape(shape).cpu().numpy()
            for name, (span, shape) in zip(self.names, self._views, strict=True)
        }

    def gradient(self, vector: Tensor, portions: Sequence[Portion]) -> tuple[Tensor, list[float]]:
        """The weighted sum of the portions' gradients in one pass, and each portion's loss."""
        first = portions[0]
        self._place(vector)
        self._load(first.worker)
        if self._random:
            torch.manual_seed(zlib.crc32(f"{self.seed} {first.worker} {first.step}".encode()))
        images = np.concatenate([portion.batch[0] for portion in portions]) if len(portions) > 1 else first.batch[0]
        labels = np.concatenate([portion.batch[1] for portion in portions]) if len(portions) > 1 else first.batch[1]
        outputs, truth = self._outputs(images), torch.from_numpy(labels).to(self.device)
        if len(portions) == 1:
            loss = self._mean(outputs, truth)
            counted = loss if first.factor == 1 else loss * first.factor
            losses = [float(loss.detach())]
        else:
            each = self._each(outputs, truth)
            sizes = [len(portion.batch[1]) for portion in portions]
            factors = [portion.factor / size for portion, size in zip(portions, sizes, strict=True)]
            weights = torch.tensor(np.repeat(factors, sizes), dtype=each.dtype, device=self.device)
            counted = (each * weights).sum()
            begins = np.cumsum([0, *sizes[:-1]])
            losses = (np.add.reduceat(each.detach().cpu().numpy(), begins) / sizes).tolist()
        found = torch.autograd.grad(counted, self.parameters, allow_unused=True)
        self._store(first.worker)
        flat = [
            torch.zeros_like(parameter).reshape(-1) if gradient is None else gradient.reshape(-1)
            for gradient, parameter in zip(found, self.parameters, strict=True)
        ]
        return torch.cat(flat), losses

    def evaluate(self, vector: Tensor, batches: Iterable[Batch], worker: int = 0) -> Evaluation:
        self._place(vector)
        self._load(worker)
        self.model.eval()
        try:
            with torch.no_grad():
                parts = [
                    count(self._outputs(images)[0].float().cpu().numpy(), labels)
                    for images, labels in batches
                    if len(labels)
                ]
        finally:
            self.model.train()
        return merged(parts) if parts else NOTHING

    def _place(self, vector: Tensor) -> None:
        for parameter, (span, shape) in zip(self.parameters, self._views, strict=True):
            parameter.data = vector[span].view(shape)

    def _load(self, worker: int) -> None:
        for buffer, own in zip(self._buffers, self.statistics.get(worker, self._at_start), strict=True):
            buffer.copy_(own)

    def _store(self, worker: int) -> None:
        if self._buffers:
            self.statistics[worker] = [buffer.clone() for buffer in self._buffers]

    def _outputs(self, images: NDArray[Any]) -> tuple[Tensor, ...]:
        inputs = torch.from_numpy(images).to(self.device)
        if inputs.is_floating_point():
            inputs = inputs.to(self.parameters[0].dtype)
        if inputs.ndim == 4:
            inputs = inputs.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)  # a third faster
        answer = self.model(inputs)
        return (answer,) if isinstance(answer, Tensor) else tuple(answer)

    def _mean(self, outputs: Sequence[Tensor], truth: Tensor) -> Tensor:
        """As `suite.training.torch_loop` has it."""
        total = torch.zeros((), device=self.device)
        for output, weight in zip(outputs, self.head_weights, strict=True):
            total = total + weight * functional.cross_entropy(output.reshape(-1, output.shape[-1]), truth.reshape(-1))
        return total

    def _each(self, outputs: Sequence[Tensor], truth: Tensor) -> Tensor:
        """The loss of each sample."""
        total = torch.zeros(len(truth), device=self.device)
        for output, weight in zip(outputs, self.head_weights, strict=True):
            rows = functional.cross_entropy(output.reshape(-1, output.shape[-1]), truth.reshape(-1), reduction="none")
            total = total + weight * rows.reshape(len(truth), -1).mean(1)
        return total


def _fixed(buffer: Tensor, model: nn.Module) -> bool:
    """Masks, which are no part of what training moves."""
    return all(buffer is not held for held in model.state_dict(keep_vars=True).values())
