"""One file that holds a torch training run: whole or not there, and refused by any other model."""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from suite.training.session import CheckpointError

FORMAT = "farandole torch checkpoint 1"


@dataclass(frozen=True)
class Held:
    optimizer: dict[str, Any]
    steps_taken: int


def save(path: Path, model: nn.Module, optimizer: dict[str, Any], steps_taken: int, device: torch.device) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    held = {
        "format": FORMAT,
        "steps_taken": steps_taken,
        "model": model.state_dict(),
        "optimizer": optimizer,
        "random": torch.get_rng_state(),
        "random_device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }
    try:
        torch.save(held, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, model: nn.Module, device: torch.device) -> Held:
    if not path.is_file():
        raise CheckpointError(path, "no such file", "a torch checkpoint")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)  # no code from files
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(path, f"cannot be read ({reason})", "a torch checkpoint") from error
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise CheckpointError(path, "another kind of file", f"a {FORMAT}")
    _check_model(path, held["model"], model)
    model.load_state_dict(held["model"])
    torch.set_rng_state(held["random"])
    if device.type == "cuda" and held["random_device"] is not None:
        torch.cuda.set_rng_state(held["random_device"], device)
    return Held(held["optimizer"], held["steps_taken"])


def _check_model(path: Path, found: dict[str, torch.Tensor], model: nn.Module) -> None:
    expected = model.state_dict()
    for name in sorted(found.keys() | expected.keys()):
        if name not in found:
            raise CheckpointError(path, f"no parameter {name!r}", "a checkpoint of this model, which has it")
        if name not in expected:
            raise CheckpointError(path, f"a parameter {name!r}", "a checkpoint of this model, which has no such one")
        if found[name].shape != expected[name].shape:
            raise CheckpointError(
                path, f"parameter {name!r} of shape {tuple(found[name].shape)}", f"{tuple(expected[name].shape)}"
            )
