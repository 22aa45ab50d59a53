"""What one worker has to do in a step, wherever it does it: a net's layers with their times and the tensors that travel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from algorithms.mechanisms.validation import real, whole
from suite.models import profile

if TYPE_CHECKING:
    from suite.models.net import Net
    from suite.models.profile import Profile
    from suite.simulate.adapters import ComputeTimes
    from suite.simulate.machines import Machines

FORWARD = 1 / 3  # of a step, where nobody has said: backward costs about twice the forward pass
ITEM = 4  # bytes of a float32


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Tensors whose gradients are ready together; `backward_seconds` is the time until then since the layer behind it."""

    forward_seconds: float
    backward_seconds: float
    shapes: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        real("forward_seconds", self.forward_seconds, 0)
        real("backward_seconds", self.backward_seconds, 0)
        for shape in self.shapes:
            for side in shape:
                whole("elements", side, 1)

    @property
    def elements(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes)


Entry = int | tuple[int, float] | Layer  # elements; elements and seconds of backward; a layer


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Layers in forward order and the samples that they take at once."""

    layers: tuple[Layer, ...]
    batch: int = 1
    name: str = "a net"
    source: str = "given"  # where the seconds come from, as a person reads it

    def __post_init__(self) -> None:
        whole("batch", self.batch, 1)
        if not self.layers or not any(layer.shapes for layer in self.layers):
            raise ValueError(f"{self.name} has no parameters: nothing would travel")
        if self.step_seconds <= 0:
            raise ValueError(f"{self.name} takes {self.step_seconds} s a step: must be more than 0")

    @classmethod
    def from_profile(cls, source: str | Profile, *, step_seconds: float | None = None) -> Workload:
        """A shipped profile by name, one by its path, or one that is there already; stretched to `step_seconds`."""
        found = profile.find(source) if isinstance(source, str) else source
        layers = tuple(
            Layer(
                forward_seconds=layer.forward_seconds,
                backward_seconds=layer.backward_seconds,
                shapes=tuple(shape for _, shape in layer.parameters),
            )
            for layer in found.layers
        )
        made = cls(layers=layers, batch=found.batch, name=found.model, source=f"profile: {found.machine}")
        return made if step_seconds is None else made.lasting(step_seconds)

    @classmethod
    def from_net(cls, net: Net, *, step_seconds: float, batch: int = 1) -> Workload:
        """A net that nobody has profiled: a step's time shared out by the operations of its layers, forward a third."""
        real("step_seconds", step_seconds, 0, low_allowed=False)
        flops, shapes = [0], [tuple[tuple[int, ...], ...]()]
        for placed in net.layers:
            weights = tuple(weight.shape for weight in placed.layer.weights(placed.input))
            if weights and shapes[-1]:
                flops.append(0)
                shapes.append(())
            flops[-1] += placed.layer.flops(placed.input)
            shapes[-1] += weights
        share = step_seconds / max(sum(flops), 1)
        layers = tuple(
            Layer(forward_seconds=FORWARD * share * count, backward_seconds=(1 - FORWARD) * share * count, shapes=held)
            for count, held in zip(flops, shapes, strict=True)
        )
        source = f"{step_seconds:g} s a step, shared out by operations"
        return cls(layers=layers, batch=batch, name=net.name, source=source)

    @classmethod
    def of(
        cls,
        *,
        tensors: Iterable[Entry],
        step_seconds: float | None = None,
        batch: int = 1,
        name: str = "a net",
        source: str = "a table",
    ) -> Workload:
        """From numbers: tensors in forward order, each its elements, or its elements and the seconds of its backward.

        `step_seconds` is all of a step: what backward leaves of it is the forward pass. Without it forward takes half as
        long as backward; without times of backward, every tensor takes an equal share of two thirds of the step.
        """
        layers = [_layer(entry) for entry in tensors]
        if not layers:
            raise ValueError(f"{name} has no tensors: at least one must travel")
        backward = sum(layer.backward_seconds for layer in layers)
        if step_seconds is not None:
            real("step_seconds", step_seconds, 0, low_allowed=False)
        if backward == 0:
            if step_seconds is None:
                raise ValueError(f"{name}: neither step_seconds nor times of backward are given")
            backward = (1 - FORWARD) * step_seconds
            layers = [replace(layer, backward_seconds=backward / len(layers)) for layer in layers]
        if sum(layer.forward_seconds for layer in layers) == 0:
            whole_step = backward / (1 - FORWARD) if step_seconds is None else step_seconds
            forward = whole_step - backward
            if forward < -1e-9 * whole_step:
                raise ValueError(f"step_seconds={step_seconds:g}: must be at least {backward:g}, what backward takes")
            forward = max(forward, 0.0)
            layers = [replace(one, forward_seconds=forward * one.backward_seconds / backward) for one in layers]
        made = cls(layers=tuple(layers), batch=batch, name=name, source=source)
        return made if step_seconds is None else made.lasting(step_seconds)

    @classmethod
    def measure(cls, module: Any, batch: Any, *, repeats: int = 5) -> Workload:
        """Time a PyTorch module's or a Keras model's own forward and backward here, on this batch of inputs."""
        from suite.simulate.measuring import measure

        return measure(module, batch, repeats=repeats)

    def lasting(self, step_seconds: float) -> Workload:
        """The same net where a step takes so long."""
        real("step_seconds", step_seconds, 0, low_allowed=False)
        factor = step_seconds / self.step_seconds
        if factor == 1:
            return self
        layers = tuple(
            replace(
                layer,
                forward_seconds=layer.forward_seconds * factor,
                backward_seconds=layer.backward_seconds * factor,
            )
            for layer in self.layers
        )
        return replace(self, layers=layers, source=f"{self.source}, stretched to {step_seconds:g} s a step")

    @cached_property
    def step_seconds(self) -> float:
        return self.forward_seconds + self.backward_seconds

    @cached_property
    def forward_seconds(self) -> float:
        return sum(layer.forward_seconds for layer in self.layers)

    @cached_property
    def backward_seconds(self) -> float:
        return sum(layer.backward_seconds for layer in self.layers)

    @cached_property
    def elements(self) -> int:
        return sum(layer.elements for layer in self.layers)

    @property
    def parameter_bytes(self) -> int:
        return self.elements * ITEM

    @cached_property
    def tensors(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Of every tensor in forward order: its layer and its shape."""
        return tuple((number, shape) for number, layer in enumerate(self.layers) for shape in layer.shapes)

    def ready(self) -> list[float]:
        """Of every layer, when its gradient is ready: seconds since the step began, on an undisturbed worker."""
        now, times = self.forward_seconds, []
        for layer in reversed(self.layers):
            now += layer.backward_seconds
            times.append(now)
        return times[::-1]

    def needed(self) -> list[float]:
        """Of every layer, when forward first uses it: seconds since the step began."""
        now, times = 0.0, []
        for layer in self.layers:
            times.append(now)
            now += layer.forward_seconds
        return times

    def compute(self, machines: Machines) -> ComputeTimes:
        """How long each worker computes, as `algorithms.virtual.Cluster` takes it."""
        from suite.simulate.adapters import ComputeTimes

        found = machines.calibration
        return ComputeTimes(self.step_seconds, machines, after=0.0 if found is None else found.after(self))


def _layer(entry: Entry) -> Layer:
    if isinstance(entry, Layer):
        return entry
    if isinstance(entry, Sequence):
        elements, seconds = entry
        return Layer(forward_seconds=0.0, backward_seconds=float(seconds), shapes=((int(elements),),))
    return Layer(forward_seconds=0.0, backward_seconds=0.0, shapes=((int(entry),),))
