"""Mark the moments of a PyTorch training step with hooks."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from suite.models.layer_times import Clock, Device, Step, Times
from suite.models.net import Net
from suite.models.torch_builder import build

Moment = Any  # seconds of a clock, or an event on a GPU's stream


@dataclass
class Marks:
    """The moments of one training step."""

    begun: Moment
    entered: dict[str, Moment] = field(default_factory=dict)  # when forward reached each layer with parameters
    answered: Moment = 0.0  # the loss is known
    ready: dict[str, Moment] = field(default_factory=dict)  # when the layer's last gradient was there

    def on_gpu(self) -> "Marks":
        """Seconds from the first event to each, once all of them have happened."""

        def seconds(event: Any) -> float:
            return float(self.begun.elapsed_time(event)) / 1000

        entered = {name: seconds(event) for name, event in self.entered.items()}
        ready = {name: seconds(event) for name, event in self.ready.items()}
        return Marks(0.0, entered, seconds(self.answered), ready)

    def times(self) -> Times:
        """From each layer to the next one, and from one ready gradient to the next."""
        begins = [self.begun, *list(self.entered.values())[1:], self.answered]
        forward = {name: begins[i + 1] - begins[i] for i, name in enumerate(self.entered)}
        backward, before = {}, self.answered
        for name, moment in sorted(self.ready.items(), key=lambda one: one[1]):
            backward[name] = moment - before
            before = moment
        return Times(forward, backward)


def steps(
    net: Net, batch: int, seed: int, clock: Clock, on: Device = "auto", tf32: bool | None = None
) -> tuple[Step, str]:
    """A function that runs one step and returns its times, and words for what it ran on. `tf32`: None is PyTorch's own."""
    device = torch.device("cuda" if on == "gpu" or (on == "auto" and torch.cuda.is_available()) else "cpu")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device gpu: PyTorch {torch.__version__} sees none")
    if tf32 is not None:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
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

    def now() -> Moment:
        if device.type == "cpu":
            return clock()
        # Waiting for the GPU at every layer would time that, and not a step in which kernels queue.
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(device))
        return event

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
        if device.type == "cpu":
            return marks.times()
        torch.cuda.synchronize(device)
        return marks.on_gpu().times()

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    precision = "" if tf32 is None or device.type == "cpu" else ", TF32" if tf32 else ", fp32"
    return step, f"PyTorch {torch.__version__} on {name}{precision}"
