"""Gradients that are not there: while one travels, its parameter has none, and whoever asks for it gets the average."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

_GRAD = vars(torch._C.TensorBase)["grad"]
_ASKS = frozenset([_GRAD.__get__, _GRAD.__set__, _GRAD.__delete__])
_UNSEEN = nn.Parameter.__torch_function__


def own(parameter: torch.Tensor) -> torch.Tensor | None:
    """The gradient that backward has left here, without asking for the average."""
    with torch._C.DisableTorchFunctionSubclass():
        return parameter.grad


def put(parameter: torch.Tensor, gradient: torch.Tensor | None) -> None:
    """The same for setting it."""
    with torch._C.DisableTorchFunctionSubclass():
        parameter.grad = gradient


def take(parameter: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Take the gradient away; whether anything else can still reach its memory."""
    held = [own(parameter)]
    put(parameter, None)
    assert held[0] is not None
    # One reference is the list's and one the function's own; of the storage, one is the tensor's and one this question's.
    storage = held[0].untyped_storage()
    shared = sys.getrefcount(held[0]) > 2 or torch._C._storage_Use_Count(storage._cdata) > 2
    return held[0], shared


def in_backward() -> bool:
    """Whether this thread is inside a backward pass."""
    return bool(torch._C._current_graph_task_id() != -1)


def refuse_unfit(named: Iterable[tuple[str, nn.Parameter]]) -> None:
    """Raise ValueError for parameters that answer for themselves when they are looked at."""
    for name, parameter in named:
        if type(parameter).__torch_function__ is not _UNSEEN:
            raise ValueError(
                f"{name} is a {type(parameter).__name__}, which has a __torch_function__ of its own: gradients that travel "
                "need a parameter without one"
            )


class Travelling:
    """Marks parameters. Asking any of them for `grad`, in whatever way, first calls `asked`."""

    def __init__(self, asked: Callable[[torch.Tensor], None]) -> None:
        self._asked = asked
        self._classes: dict[type, type] = {}
        self._held: list[tuple[nn.Parameter, type]] = []

    def hold(self, parameters: Iterable[nn.Parameter]) -> None:
        for parameter in parameters:
            kind = type(parameter)
            if kind not in self._classes:
                self._classes[kind] = _marked(kind, self._asked)
            self._held.append((parameter, kind))
            parameter.__class__ = self._classes[kind]

    def release(self) -> None:
        """All of them."""
        for parameter, kind in self._held:
            parameter.__class__ = kind
        self._held.clear()


def _marked(kind: type, asked: Callable[[torch.Tensor], None]) -> type:
    class Travels(kind):  # type: ignore[misc]
        """A parameter whose gradient travels."""

        @classmethod
        def __torch_function__(cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in _ASKS and type(args[0]) is cls:
                asked(args[0])
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **(kwargs or {}))

        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            self.__class__ = kind  # a copy's gradient does not travel
            try:
                return kind.__deepcopy__(self, memo)  # type: ignore[attr-defined]
            finally:
                self.__class__ = Travels

    return Travels
