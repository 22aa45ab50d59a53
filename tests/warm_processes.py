"""The warm processes of one run of pytest: ranks become copies of them, so each framework is imported once a run.

Where pytest-xdist divides the tests among processes, the pytest that was started holds them for all (`lend`), and those
processes borrow from it.
"""

from __future__ import annotations

import contextlib
import threading
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Protocol

import pytest

from suite.warm.owner import Entrance, WarmPython

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


class WarmProcesses(Protocol):
    """One for each set of frameworks, from the first launch that needs it until the end of the run."""

    def having(self, *frameworks: str) -> Entrance:
        """Of a process that has imported these of `IMPORTS` and not the others."""

    def close(self) -> None: ...


class Held:
    """Those that this process has started."""

    def __init__(self) -> None:
        self._started: dict[frozenset[str], WarmPython] = {}

    def having(self, *frameworks: str) -> Entrance:
        wanted = frozenset(frameworks)
        found = self._started.get(wanted)
        if found is None or not found.alive:
            modules = [module for word in sorted(wanted) for module in IMPORTS[word]]
            found = self._started[wanted] = WarmPython([*ALWAYS, *modules])
        return found.entrance

    def close(self) -> None:
        for process in self._started.values():
            process.close()


class Borrowed:
    """Those of the pytest that lends at this address. They end with it, not with who borrows."""

    def __init__(self, address: str) -> None:
        self.address = address

    def having(self, *frameworks: str) -> Entrance:
        with Client(self.address) as lender:
            lender.send(frameworks)
            return Entrance(Path(lender.recv()))

    def close(self) -> None: ...


def lend(held: WarmProcesses) -> str:
    """Answer whoever borrows, until this process ends; where to ask."""
    listener = Listener(family="AF_UNIX", backlog=64)

    def answer() -> None:
        while True:
            with contextlib.suppress(OSError, EOFError), listener.accept() as borrower:  # it may have died meanwhile
                borrower.send(str(held.having(*borrower.recv()).path))

    threading.Thread(target=answer, daemon=True).start()
    return str(listener.address)


HELD = pytest.StashKey[WarmProcesses]()
LENT_AT = pytest.StashKey[str]()


def warm_processes(config: pytest.Config) -> WarmProcesses:
    if HELD not in config.stash:
        address = getattr(config, "workerinput", {}).get("warm processes")
        config.stash[HELD] = Held() if address is None else Borrowed(address)
    return config.stash[HELD]


def lent_at(config: pytest.Config) -> str:
    """Where the processes among which the tests are divided ask this one."""
    if LENT_AT not in config.stash:
        config.stash[LENT_AT] = lend(warm_processes(config))
    return config.stash[LENT_AT]
