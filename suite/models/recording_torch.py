"""Mark the moments of a PyTorch training step with hooks."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from suite.models.net import Net
from suite.models.recording import Clock, Step, Times
from suite.models.torch_builder import build


@dataclass
class Marks:
    """The moments of one training step."""

    begun: float
    entered: dict[str, float] = field(default_factory=dict)  # when forward reached each layer with parameters
    answered: float = 0.0  # the loss is known
    ready: dict[str, float] = field(default_factory=dict)  # when the layer's last gradient was there

    def times(self) -> Times:
        """From each layer to the next one, and from one ready gradient to the next."""
        begins = [self.begun, *list(self.entered.values())[1:], self.answered]
        forward = {name: begins[i + 1] - begins[i] for i, name in enumerate(self.entered)}
        backward, before = {}, self.answered
        for name, moment in sorted(self.ready.items(), key=lambda one: one[1]):
            backward[name] = moment - before
            before = moment
        return Times(forward, backward)


def steps(net: Net, batch: int, seed: int, clock: Clock) -> tuple[Step, str]:
    """A function that runs one step and returns its marks, and words for what it ran on."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    model = build(net, seed).to(device).train()
    generator = torch.Generator().manual_seed(seed)
    if net.inputs == "image":
        height, width, channels = net.input_shape
        x = torch.randn(batch, channels, height, width, generator=generator).to(device)
    else:
        x = torch.randint(net.classes, (batch, *net.input_shape), generator=generator).to(device)
    rows = batch * (net.output_shape[0] if len(net.output_shape) > 1 else 1)
    labels = torch.randint(net.classes, (rows,), generator=generator).to(device)
    marks = Marks(0.0)

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock()

    def entered(path: str, module: nn.Module, inputs: Any) -> None:
        marks.entered[path] = now()

    def ready(path: str, parameter: Tensor) -> None:
        marks.ready[path] = now()

    for path in dict.fromkeys(parameter.layer for parameter in net.parameters):
        layer = model.get_submodule(path)
        layer.register_forward_pre_hook(partial(entered, path))
        for parameter in layer.parameters():
            parameter.register_post_accumulate_grad_hook(partial(ready, path))  # type: ignore[no-untyped-call]

    def step() -> Times:
        nonlocal marks
        model.zero_grad()
        marks = Marks(begun=now())
        outputs = model(x)
        losses = [
            weight * nn.functional.cross_entropy(output.reshape(-1, net.classes), labels)
            for weight, output in zip(
                net.head_weights, outputs if isinstance(outputs, tuple) else (outputs,), strict=True
            )
        ]
        loss = torch.stack(losses).sum()
        marks.answered = now()
        loss.backward()  # type: ignore[no-untyped-call]
        return marks.times()

    return step, f"PyTorch {torch.__version__} on {on}"
