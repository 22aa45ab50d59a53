"""Which launches start warm, and from which process: the frameworks in a file's name are imported before it asks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from suite.warm.owner import WarmPython

# `torch._dynamo` is what PyTorch's optimizers import at their first step, and costs as much again as PyTorch.
IMPORTS = {
    "torch": ("torch", "torch._dynamo", "horovod.torch", "algorithms.torch"),
    "tensorflow": ("tensorflow", "keras", "horovod.tensorflow", "algorithms.tensorflow"),
}


class WarmProcesses:
    """One for each set of frameworks, from the first launch that needs it until the end of the run."""

    def __init__(self) -> None:
        self._started: dict[tuple[str, ...], WarmPython] = {}

    def process(self, file: Path, environment: Mapping[str, str], *, mpi: bool) -> WarmPython | None:
        """None where ranks must start cold: MPI looks after processes that it started itself, and only Horovod's own
        variables are sure to be read no earlier than when it begins."""
        if mpi or not all(name.startswith("HOROVOD_") for name in environment):
            return None
        frameworks = tuple(word for word in IMPORTS if word in file.stem.split("_"))
        found = self._started.get(frameworks)
        if found is None or not found.alive:
            modules = [module for word in frameworks for module in IMPORTS[word]]
            found = self._started[frameworks] = WarmPython(["pytest", "hypothesis", "numpy", *modules])
        return found

    def close(self) -> None:
        for process in self._started.values():
            process.close()
