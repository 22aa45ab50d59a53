"""Hooks on the user's modules, which the user may copy and save."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from torch import nn


class Hook:
    """Acts before a module's forward. In a copy of the module, or a saved one, it stays behind as one that does nothing.

    A copy has parameters of its own, which nobody here updates, and what acts holds threads, which nobody can copy.
    """

    def __init__(self, act: Callable[[nn.Module, Any], None] | None = None) -> None:
        self._act = act

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        if self._act is not None:
            self._act(module, inputs)

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()
