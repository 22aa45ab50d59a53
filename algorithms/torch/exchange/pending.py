"""Parameters whose update is still to come: whoever uses one, in whatever way, gets the updated one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

# What can be asked of a parameter without looking at its values. Everything else waits for the update.
_ATTRIBUTES = ("grad", "requires_grad", "shape", "dtype", "device", "layout", "is_leaf", "is_sparse", "is_cuda", "ndim")
_DESCRIPTORS = vars(torch._C.TensorBase)
HARMLESS = frozenset(
    [
        *(_DESCRIPTORS[name].__get__ for name in _ATTRIBUTES),
        _DESCRIPTORS["grad"].__set__,
        _DESCRIPTORS["requires_grad"].__set__,
        torch.Tensor.size,
        torch.Tensor.stride,
        torch.Tensor.dim,
        torch.Tensor.numel,
        torch.Tensor.element_size,
        torch.Tensor.is_complex,
        torch.Tensor.is_floating_point,
        torch.Tensor.requires_grad_,
        torch.Tensor.register_hook,
        torch.Tensor.register_post_accumulate_grad_hook,
    ]
)


class Pending:
    """Marks parameters. One that is used in any way first calls `settle`, which must `release` it."""

    def __init__(self, settle: Callable[[nn.Parameter], None]) -> None:
        class AwaitsUpdate(nn.Parameter):
            """A parameter before its update: torch's own hook for looking at a tensor calls `settle` first."""

            @classmethod
            def __torch_function__(
                cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                if func not in HARMLESS:
                    for tensor in _tensors_in((args, kwargs)):
                        if type(tensor) is cls:
                            settle(tensor)
                with torch._C.DisableTorchFunctionSubclass():
                    return func(*args, **(kwargs or {}))

            def __deepcopy__(self, memo: dict[int, Any]) -> nn.Parameter:
                settle(self)
                copy: nn.Parameter = nn.Parameter.__deepcopy__(self, memo)  # type: ignore[no-untyped-call]
                return copy

        self._class = AwaitsUpdate

    def hold(self, parameters: Iterable[nn.Parameter]) -> None:
        for parameter in parameters:
            parameter.__class__ = self._class

    def release(self, parameters: Iterable[nn.Parameter]) -> None:
        for parameter in parameters:
            parameter.__class__ = nn.Parameter


def _tensors_in(value: Any) -> Iterable[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _tensors_in(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _tensors_in(inner)
