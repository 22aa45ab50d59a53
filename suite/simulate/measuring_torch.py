"""Mark the moments of a step of somebody's PyTorch module with hooks, and take them away again."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from suite.models.layer_times import Times
from suite.models.recording_torch import Marks
from suite.simulate.measuring import Step


def steps(module: nn.Module, batch: Any) -> Step:
    """A function that runs a step, the shapes of each layer's parameters, samples, and what it ran on."""
    owners = {
        path: [parameter for parameter in layer.parameters(recurse=False) if parameter.requires_grad]
        for path, layer in module.named_modules()
    }
    layers = {path: parameters for path, parameters in owners.items() if parameters}
    if not layers:
        raise ValueError(f"{type(module).__name__} has no parameters: nothing would travel")
    device = next(iter(layers.values()))[0].device
    x = batch.to(device) if isinstance(batch, Tensor) else torch.randn(*batch, device=device)
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    def step() -> Times:
        marks = Marks(begun=now())

        def entered(path: str, layer: nn.Module, inputs: Any) -> None:
            marks.entered.setdefault(path, now())

        def ready(path: str, parameter: Tensor) -> None:
            marks.ready[path] = now()

        hooks: list[Any] = []
        for path, parameters in layers.items():
            hooks.append(module.get_submodule(path).register_forward_pre_hook(partial(entered, path)))
            hooks += [parameter.register_post_accumulate_grad_hook(partial(ready, path)) for parameter in parameters]
        try:
            module.zero_grad(set_to_none=True)
            loss = _scalar(module(x))
            marks.answered = now()
            loss.backward()  # type: ignore[no-untyped-call]
        finally:
            for hook in hooks:
                hook.remove()
            module.zero_grad(set_to_none=True)
        return marks.times()

    shapes = {path: tuple(tuple(one.shape) or (1,) for one in found) for path, found in layers.items()}
    return step, shapes, len(x), f"PyTorch {torch.__version__} on {on}"


def _scalar(output: Any) -> Tensor:
    """Something to take a gradient of, whatever the module answers with."""
    if isinstance(output, Tensor):
        return output.float().mean()
    values = output.values() if isinstance(output, dict) else output
    parts = [_scalar(one) for one in values if isinstance(one, Tensor) and one.is_floating_point()]
    if not parts:
        raise ValueError(f"the module answers with {type(output).__name__}, which holds no tensor of numbers")
    return torch.stack(parts).sum()
