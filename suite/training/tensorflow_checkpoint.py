"""One file that holds a TensorFlow training run: plain arrays (.npz), whole or not there, refused by any other model."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.training.session import CheckpointError

FORMAT = "farandole tensorflow checkpoint 1"


def save(path: Path, model: Sequence[Any], optimizer: Sequence[Any], steps_taken: int) -> None:
    """`model` and `optimizer` are their variables; dropout's generators are among the model's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    arrays: dict[str, NDArray[Any]] = {"format": np.array(FORMAT), "steps_taken": np.array(steps_taken)}
    arrays |= _named("model", model) | _named("optimizer", optimizer)
    try:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, model: Sequence[Any], optimizer: Sequence[Any]) -> int:
    """Writes the variables and returns the step count; nothing is written unless everything fits."""
    if not path.is_file():
        raise CheckpointError(path, "no such file", "a TensorFlow checkpoint")
    try:
        with np.load(path, allow_pickle=False) as file:
            held = dict(file)
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(path, f"cannot be read ({error})", "a TensorFlow checkpoint") from error
    if str(held.pop("format", "")) != FORMAT:
        raise CheckpointError(path, "another kind of file", f"a {FORMAT}")
    steps_taken = int(held.pop("steps_taken"))
    wanted = {
        key: variable
        for group, many in (("model", model), ("optimizer", optimizer))
        for key, variable in _keyed(group, many)
    }
    for key in sorted(held.keys() ^ wanted.keys()):
        expected = f"a checkpoint of this model and optimizer, which {'has it' if key in wanted else 'has no such one'}"
        raise CheckpointError(path, f"{'no' if key in wanted else 'a'} variable {key!r}", expected)
    for key, variable in wanted.items():
        if held[key].shape != tuple(variable.shape):
            raise CheckpointError(path, f"variable {key!r} of shape {held[key].shape}", f"{tuple(variable.shape)}")
    for key, variable in wanted.items():
        variable.assign(held[key])
    return steps_taken


def _keyed(group: str, variables: Sequence[Any]) -> list[tuple[str, Any]]:
    """By place, not by name: Keras numbers names by how many layers the process has made before."""
    return [(f"{group}.{place}", variable) for place, variable in enumerate(variables)]


def _named(group: str, variables: Sequence[Any]) -> dict[str, NDArray[Any]]:
    return {key: variable.numpy() for key, variable in _keyed(group, variables)}
