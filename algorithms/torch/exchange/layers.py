"""Which parameters belong together, and which modules use them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Layers:
    """The parameters of one module are one layer; a parameter shared by several belongs to the first."""

    members: tuple[tuple[int, ...], ...]  # by layer: indices of parameters
    of: tuple[int, ...]  # by parameter: its layer
    users: tuple[tuple[nn.Module, tuple[int, ...]], ...]  # a module, and the layers that its forward uses


def find(model: nn.Module, parameters: Sequence[nn.Parameter]) -> Layers:
    """Layers in the order of the model's modules. What is compiled is used as a whole: nothing can wait inside it."""
    index = {id(parameter): number for number, parameter in enumerate(parameters)}
    layer_of: dict[int, int] = {}
    members: list[tuple[int, ...]] = []
    for module in model.modules():
        own = [index[id(p)] for p in module.parameters(recurse=False) if id(p) in index]
        new = tuple(dict.fromkeys(number for number in own if number not in layer_of))
        if new:
            layer_of.update(dict.fromkeys(new, len(members)))
            members.append(new)
    users: list[tuple[nn.Module, tuple[int, ...]]] = []
    inside: set[int] = set()
    for module in model.modules():
        if id(module) in inside:
            continue
        compiled = _is_compiled(module)
        if compiled:
            inside.update(map(id, module.modules()))
        used = [index[id(p)] for p in module.parameters(recurse=compiled) if id(p) in index]
        if used:
            users.append((module, tuple(dict.fromkeys(layer_of[number] for number in used))))
    return Layers(tuple(members), tuple(layer_of[number] for number in range(len(parameters))), tuple(users))


def _is_compiled(module: nn.Module) -> bool:
    """Whoever has compiled it has imported PyTorch's compiler, which takes as long as the rest of PyTorch."""
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    return compiler is not None and isinstance(module, compiler.OptimizedModule)
