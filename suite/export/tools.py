"""Which tools there are, by the names that `farandole records export --to` takes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from suite.export import to_mlflow, to_tensorboard, to_wandb
from suite.export.story import Story

TOOLS: dict[str, Callable[[Iterable[Story], Path], None]] = {
    "tensorboard": to_tensorboard.write,
    "mlflow": to_mlflow.write,
    "wandb": to_wandb.write,
}


def missing(tool: str) -> str:
    """Why it cannot be written here; empty if it can. The extras have their libraries' names."""
    if importlib.util.find_spec(tool) is not None:
        return ""
    return f"{tool} is not installed: pip install 'farandole[{tool}]'"
