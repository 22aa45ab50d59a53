"""The user's optimizer, applied to some of its parameters: the update rule itself is never written again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

Options = list[dict[str, Any]]  # of each group, without its parameters


class Views:
    """Shallow copies of an optimizer that share its state and are cut to some parameters."""

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]) -> None:
        self._optimizer = optimizer
        groups = {id(p): number for number, group in enumerate(optimizer.param_groups) for p in group["params"]}
        self._group = {id(p): groups[id(p)] for p in parameters}

    def options(self) -> Options:
        """The learning rates and all else in force now: a scheduler may change them before an update is applied."""
        return [
            {
                key: value.clone() if isinstance(value, torch.Tensor) else value
                for key, value in group.items()
                if key != "params"
            }
            for group in self._optimizer.param_groups
        ]

    def apply(self, parameters: Iterable[nn.Parameter], options: Options | None = None) -> None:
        """One step of the optimizer for these parameters alone, with the options of then or those of now."""
        chosen: dict[int, list[nn.Parameter]] = {}
        for parameter in parameters:
            chosen.setdefault(self._group[id(parameter)], []).append(parameter)
        if not chosen:
            return
        kind = type(self._optimizer)
        view = object.__new__(kind)
        view.__dict__.update(self._optimizer.__dict__)
        view.__dict__.pop("step", None)  # a scheduler's wrapper, bound to the whole optimizer
        source = self._optimizer.param_groups if options is None else options
        view.param_groups = [{**source[number], "params": members} for number, members in sorted(chosen.items())]
        before = [dict(group) for group in view.param_groups]
        kind.step(view)
        for then, now in zip(before, view.param_groups, strict=True):
            changed = [key for key in now if key not in then or now[key] is not then[key]]
            if changed:
                raise ValueError(
                    f"{kind.__name__} counts in its group ({', '.join(changed)}), so its layers cannot be updated one "
                    "by one: use Synchronous, LayerWise(order='all') or Delayed"
                )
