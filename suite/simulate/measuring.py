"""A user's own net, timed here: a PyTorch module or a Keras model, whichever it is."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from suite.models.layer_times import Times
from suite.simulate.workload import Layer, Workload


def measure(module: Any, batch: Any, *, repeats: int = 5) -> Workload:
    """Time its forward and backward on this batch of inputs (or on random ones of this shape), layer by layer."""
    if _is_of("torch.nn", module):
        from suite.simulate import measuring_torch

        step, shapes, samples, source = measuring_torch.steps(module, batch)
    elif _is_of("keras", module):
        from suite.simulate import measuring_tensorflow

        step, shapes, samples, source = measuring_tensorflow.steps(module, batch)
    else:
        raise ValueError(f"{type(module).__name__} is neither a torch.nn.Module nor a keras.Model")
    return _workload(step, shapes, samples, f"measured: {source}", type(module).__name__, repeats)


def _is_of(package: str, module: Any) -> bool:
    return any(kind.__module__.startswith(package) for kind in type(module).__mro__)


def _workload(
    step: Callable[[], Times],
    shapes: dict[str, tuple[tuple[int, ...], ...]],
    samples: int,
    source: str,
    name: str,
    repeats: int,
) -> Workload:
    step()  # the first one allocates and compiles
    found = [step() for _ in range(max(1, repeats))]
    reached = [layer for layer in found[-1].forward if layer in found[-1].backward]
    if not reached:
        raise ValueError(f"{name} gives no parameter a gradient: nothing would travel")
    layers = tuple(
        Layer(
            forward_seconds=max(0.0, median(times.forward.get(layer, 0.0) for times in found)),
            backward_seconds=max(0.0, median(times.backward.get(layer, 0.0) for times in found)),
            shapes=shapes[layer],
        )
        for layer in reached
    )
    return Workload(layers=layers, batch=samples, name=name, source=source)


def imported(path: str) -> Any:
    """`package.module:name`: a model, or whatever can be called without arguments and makes one."""
    where, colon, name = path.partition(":")
    if not colon or not where or not name:
        raise ValueError(f"model {path!r}: write module:name, for example my.nets:build")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(where)
    except Exception as error:  # whatever a user's module does when it is imported
        raise ValueError(f"model {path!r}: importing {where} failed: {type(error).__name__}: {error}") from error
    if not hasattr(found, name):
        from algorithms.mechanisms.suggest import unknown

        public = [one for one in vars(found) if not one.startswith("_")]
        raise ValueError(f"model {path!r}: " + unknown(f"name in {where}", name, public))
    made = vars(found)[name]
    if _is_of("torch.nn", made) or _is_of("keras", made):
        return made
    try:
        return made()
    except Exception as error:  # as above
        raise ValueError(f"model {path!r}: {name}() failed: {type(error).__name__}: {error}") from error


def shape(text: str) -> tuple[int, ...]:
    """`3x224x224`."""
    parts = text.split("x")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(f"input shape {text!r}: write the sizes of one sample joined by x, for example 3x224x224")
    return tuple(map(int, parts))


Step = tuple[Callable[[], Times], dict[str, tuple[tuple[int, ...], ...]], int, str]
