"""A recorded net in PyTorch whose layers sleep instead of computing: parameters and gradients have their real sizes."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from suite.models.profile import LayerProfile, Profile
from suite.models.replayed import DECAY, SIGNAL_VALUES, answer, initial
from suite.models.slept import DEVICE, SleptDevice


class _Sleep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, signal: Tensor, layer: "ReplayedLayer", *parameters: Tensor) -> Tensor:
        arrived = layer.device.clock()
        ctx.layer = layer
        ctx.save_for_backward(*parameters)  # as a real layer would: an update in between is an error
        passed = signal.clone()
        layer.device.run(arrived, layer.forward_seconds)
        return passed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:
        layer: ReplayedLayer = ctx.layer
        arrived = layer.device.clock()
        total = upstream.sum()
        wanted = ctx.needs_input_grad[2:]
        gradients = [
            torch.add(total, parameter, alpha=DECAY) if wants else None
            for parameter, wants in zip(ctx.saved_tensors, wanted, strict=True)
        ]
        layer.device.run(arrived, layer.backward_seconds)
        return upstream, None, *gradients


class ReplayedLayer(nn.Module):
    """Sleeps for the recorded time, forward and backward; the gradients are ready when the backward sleep ends."""

    def __init__(self, profile: LayerProfile, device: SleptDevice) -> None:
        super().__init__()
        self.forward_seconds = profile.forward_seconds
        self.backward_seconds = profile.backward_seconds
        self.device = device
        for name, shape in profile.parameters:
            self.register_parameter(name, nn.Parameter(torch.from_numpy(initial(shape))))

    def forward(self, signal: Tensor) -> Tensor:
        passed: Tensor = _Sleep.apply(signal, self, *self.parameters())  # type: ignore[no-untyped-call]
        return passed


class ReplayedNet(nn.Module):
    """Answers any batch of any input with (batch, classes) values, so that it stands where the real net stood."""

    answer: Tensor

    def __init__(self, profile: Profile, device: SleptDevice) -> None:
        super().__init__()
        self.profile = profile
        for layer in profile.layers:
            self.add_module(layer.name.replace(".", "/"), ReplayedLayer(layer, device))
        self.register_buffer("answer", torch.from_numpy(answer(profile.classes)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        signal = x.reshape(len(x), -1)[:, :SIGNAL_VALUES].float().mean(dim=1)
        for layer in self.children():
            signal = layer(signal)
        return signal[:, None] * self.answer


def build(profile: Profile, device: SleptDevice = DEVICE) -> nn.Module:
    """The replayed net of this profile."""
    return ReplayedNet(profile, device)
