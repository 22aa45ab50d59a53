"""The training step in PyTorch, as a user writes it: zero_grad, forward, backward, step."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from suite.data import Batch
from suite.training import torch_checkpoint
from suite.training.evaluation import NOTHING, Evaluation, count, merged
from suite.training.learning_rates import Rule
from suite.training.session import check_call

# Enough for a normalisation layer to have a variance.
_STAND_INS = 2


class TorchOptimizer(Protocol):
    """What the loop asks of an optimizer; algorithms' wrappers have it, `bare_torch.Bare` gives it to any other."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...
    def attempt(self) -> AbstractContextManager[object]: ...
    def zero_grad(self) -> None: ...
    def step(self) -> object: ...
    def evaluation(self) -> AbstractContextManager[object]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class TorchSession:
    framework = "torch"
    steps_per_call = 1

    def __init__(
        self,
        model: nn.Module,
        optimizer: TorchOptimizer,
        *,
        head_weights: Sequence[float] = (1.0,),
        learning_rate: Rule | None = None,
        device: str = "cpu",
        weigh: Callable[[float], None] | None = None,
        barrier: Callable[[], object] = lambda: None,
    ) -> None:
        """`head_weights`: what each of the model's outputs counts in the loss (`Net.head_weights`).

        `weigh`: the optimizer's own way to be told how many samples a gradient is the mean of, before each backward
        (`DistributedOptimizer(..., weighted=True).weigh`). It then does the weighing; `weights` of `steps` are not used.

        `barrier` returns when the device has done all that it was given; a step is over then, and not before.
        """
        self.steps_taken = 0
        self._model = model
        self._optimizer = optimizer
        self._head_weights = tuple(head_weights)
        self._learning_rate = learning_rate
        self._device = torch.device(device)
        self._weigh = weigh
        self._barrier = barrier

    def steps(self, batches: Sequence[Batch], weights: Sequence[float] | None = None) -> list[float | None]:
        return [self._step(batch, weight) for batch, weight in zip(batches, check_call(batches, weights), strict=True)]

    def evaluate(self, batches: Iterable[Batch]) -> Evaluation:
        was_training = self._model.training
        self._model.eval()
        try:
            with self._optimizer.evaluation(), torch.no_grad():
                parts = [
                    count(self._outputs(images)[0].float().cpu().numpy(), labels)
                    for images, labels in batches
                    if len(labels)
                ]
        finally:
            self._model.train(was_training)
        return merged(parts) if parts else NOTHING

    def parameters(self) -> dict[str, NDArray[np.float32]]:
        return {name: value.detach().cpu().numpy().copy() for name, value in self._model.named_parameters()}

    def save(self, path: Path) -> None:
        torch_checkpoint.save(path, self._model, self._optimizer.state_dict(), self.steps_taken, self._device)

    def load(self, path: Path) -> None:
        held = torch_checkpoint.load(path, self._model, self._device)
        self._optimizer.load_state_dict(held.optimizer)
        self.steps_taken = held.steps_taken

    def _step(self, batch: Batch, weight: float) -> float | None:
        images, labels = batch
        if self._learning_rate is not None:
            for group in self._optimizer.param_groups:
                group["lr"] = self._learning_rate.at(self.steps_taken)
        self._model.train()
        loss = None
        with self._optimizer.attempt():  # an algorithm may leave it early
            self._optimizer.zero_grad()
            if self._weigh is not None:
                self._weigh(float(len(labels)))
                weight = 1.0
            if len(labels):
                loss = self._loss(self._outputs(images), torch.from_numpy(labels).to(self._device))
                (loss if weight == 1.0 else loss * weight).backward()  # type: ignore[no-untyped-call]
            elif self._weigh is None:
                self._backward_of_nothing(images)
        self._optimizer.step()
        self.steps_taken += 1
        self._barrier()
        return None if loss is None else float(loss.detach())

    def _outputs(self, images: NDArray[Any]) -> tuple[Tensor, ...]:
        inputs = torch.from_numpy(images).to(self._device)
        if inputs.ndim == 4:
            inputs = inputs.permute(0, 3, 1, 2).contiguous()
        answer = self._model(inputs)
        outputs = (answer,) if isinstance(answer, Tensor) else tuple(answer)
        if len(outputs) != len(self._head_weights):
            raise ValueError(
                f"the model has {len(outputs)} outputs and head_weights {self._head_weights}: one for each"
            )
        return outputs

    def _loss(self, outputs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        """Cross-entropy of every head, for one answer per sample or one per position."""
        total = torch.zeros((), device=self._device)
        for output, weight in zip(outputs, self._head_weights, strict=True):
            rows = output.reshape(-1, output.shape[-1])
            total = total + weight * nn.functional.cross_entropy(rows, labels.reshape(-1))
        return total

    def _backward_of_nothing(self, images: NDArray[Any]) -> None:
        """Zero gradients for every parameter that a real batch would reach, so that the exchange is entered as usual."""
        kept = {name: value.clone() for name, value in self._model.named_buffers()}
        try:
            outputs = self._outputs(np.zeros((_STAND_INS, *images.shape[1:]), dtype=images.dtype))
            torch.stack([output.sum() * 0.0 for output in outputs]).sum().backward()  # type: ignore[no-untyped-call]
        finally:
            with torch.no_grad():
                for name, value in self._model.named_buffers():
                    value.copy_(kept[name])
