"""Of which code a virtual run is: one that was interrupted goes on by the same code alone, or it would be of two."""

from __future__ import annotations

import functools
import importlib.metadata

from suite.cluster.fingerprint import code_digest


@functools.cache
def of_this_run() -> str:
    """What a run can execute of this project, and the version of PyTorch."""
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = "none"
    return f"{code_digest()[:16]}-torch-{torch}"


def checkpoint_name(identity: str) -> str:
    """What the harness calls the checkpoint of a run: other code finds none."""
    return f"{identity[:16]}-{of_this_run()}.checkpoint"


def is_of_other_code(name: str) -> bool:
    """Whether a checkpoint of this name is of no use to anybody here."""
    return name.endswith(".checkpoint") and not name.endswith(f"-{of_this_run()}.checkpoint")
