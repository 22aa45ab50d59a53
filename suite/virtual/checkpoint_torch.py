"""One file from which an interrupted virtual run goes on: whole or not there, and refused by any other run."""

from __future__ import annotations

import os
import pickle
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from algorithms.contract import Centre, Own
from algorithms.virtual.gradients import Owed
from algorithms.virtual.rounds import Given
from algorithms.virtual.trace import Trace
from suite.training.divergence import Diverged, DivergenceWatch
from suite.training.session import CheckpointError
from suite.training.targets import Point
from suite.virtual import code
from suite.virtual.ledger import Ledger, Lines

FORMAT = "farandole virtual checkpoint 1"
# What may stand in a file beside numbers, texts and tensors: no other code is run by reading one.
KNOWN: list[Any] = [Centre, Own, Owed, Given, Trace, Diverged, DivergenceWatch, Point, Ledger, Lines, deque]


def save(path: Path, identity: str, held: Mapping[str, Any]) -> None:
    """Vectors that several workers hold are written once, and are one vector again when they are read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        torch.save({"format": FORMAT, "identity": identity, "code": code.of_this_run(), **held}, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, identity: str, device: torch.device) -> Mapping[str, Any] | None:
    """None where there is none: the run begins at its beginning. So it does where the file is of other code, which is left
    aside: a run is of one code from its first step to its last."""
    if not path.is_file():
        return None
    try:
        with torch.serialization.safe_globals(KNOWN):
            held = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(path, f"cannot be read ({reason})", "a checkpoint of a virtual run") from error
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise CheckpointError(path, "another kind of file", f"a {FORMAT}")
    if held["identity"] != identity:
        raise CheckpointError(path, "a checkpoint of another run", "one with the same settings; or name another file")
    if held.get("code") != code.of_this_run():
        aside = path.with_name(f"{path.name}.other-code")
        path.replace(aside)
        print(f"{path} is of other code, or of another PyTorch: left at {aside}, the run begins anew", file=sys.stderr)
        return None
    found: Mapping[str, Any] = held
    return found
