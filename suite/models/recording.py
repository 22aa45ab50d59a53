"""Time a net's layers where it runs, one training step after another, and make a profile of the medians."""

import os
import platform
import statistics
import time
from pathlib import Path
from typing import Literal

from suite.models.layer_times import Clock, Device, Times
from suite.models.net import Net
from suite.models.profile import LayerProfile, Profile


def record(
    net: Net,
    batch: int,
    framework: Literal["torch", "tensorflow"],
    *,
    repeats: int = 5,
    warmup: int = 2,
    seed: int = 0,
    clock: Clock = time.perf_counter,
    device: Device = "auto",
    tf32: bool | None = None,
) -> Profile:
    """Run `warmup` + `repeats` real training steps on this machine and keep each layer's median times.

    `device` and `tf32` are for torch: auto is its GPU where it sees one; None is its own choice of TF32.
    """
    for name, value, least in (("batch", batch, 1), ("repeats", repeats, 1), ("warmup", warmup, 0)):
        if value < least:
            raise ValueError(f"{name} {value} is not at least {least}")
    if framework == "torch":
        from suite.models import recording_torch

        step, machine = recording_torch.steps(net, batch, seed, clock, device, tf32)
    elif framework == "tensorflow":
        from suite.models import recording_keras

        step, machine = recording_keras.steps(net, batch, seed, clock)
    else:
        raise ValueError(f"framework {framework!r} is neither 'torch' nor 'tensorflow'")
    times = [step() for _ in range(warmup + repeats)][warmup:]
    return profile_of(net, batch, framework, f"{machine}; {processor()}", times)


def profile_of(
    net: Net, batch: int, framework: Literal["torch", "tensorflow"], machine: str, times: list[Times]
) -> Profile:
    shapes: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for parameter in net.parameters:
        shapes.setdefault(parameter.layer, []).append((parameter.weight.name, parameter.shape))
    layers = tuple(
        LayerProfile(
            name=name,
            forward_seconds=_median([step.forward[name] for step in times]),
            backward_seconds=_median([step.backward[name] for step in times]),
            parameters=tuple(parameters),
        )
        for name, parameters in shapes.items()
    )
    return Profile(
        model=net.name,
        machine=machine,
        framework=framework,
        batch=batch,
        input_shape=net.input_shape,
        inputs=net.inputs,
        classes=net.classes,
        layers=layers,
    )


def processor() -> str:
    """The processor's name and number of cores, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def _median(seconds: list[float]) -> float:
    return round(statistics.median(seconds), 7)
