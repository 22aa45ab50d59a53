"""The warm processes of one run of pytest: ranks become copies of them, so each framework is imported once a run."""

from __future__ import annotations

import pytest

from suite.warm.owner import WarmPython

# `torch._dynamo` is what PyTorch's optimizers import at their first step, and costs as much again as PyTorch.
IMPORTS = {
    "torch": ("torch", "torch._dynamo", "horovod.torch", "algorithms.torch"),
    "tensorflow": ("tensorflow", "keras", "horovod.tensorflow", "algorithms.tensorflow"),
}

# What pytest and this folder's conftest import in every rank.
ALWAYS = (
    "pytest",
    "pytest_benchmark.plugin",
    "xdist.plugin",
    "hypothesis",
    "numpy",
    "suite.cluster",
    "algorithms.virtual",
)


class WarmProcesses:
    """One for each set of frameworks, from the first launch that needs it until the end of the run."""

    def __init__(self) -> None:
        self._started: dict[frozenset[str], WarmPython] = {}

    def having(self, *frameworks: str) -> WarmPython:
        """A process that has imported these of `IMPORTS` and not the others."""
        wanted = frozenset(frameworks)
        found = self._started.get(wanted)
        if found is None or not found.alive:
            modules = [module for word in sorted(wanted) for module in IMPORTS[word]]
            found = self._started[wanted] = WarmPython([*ALWAYS, *modules])
        return found

    def close(self) -> None:
        for process in self._started.values():
            process.close()


STARTED = pytest.StashKey[WarmProcesses]()


def warm_processes(config: pytest.Config) -> WarmProcesses:
    return config.stash.setdefault(STARTED, WarmProcesses())
