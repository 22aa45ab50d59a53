"""What every test process starts with."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from suite.cluster.local import usable_cores
from suite.warm.owner import Entrance
from tests.selection import is_quick
from tests.warm_processes import lent_at, warm_processes

# Ranks and frameworks share a few cores here: one thread each keeps results reproducible and the machine usable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if usable_cores() < 2:  # of which TensorFlow makes one inter-op thread, with which rounds are refused
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
os.environ.pop("COLUMNS", None)  # xdist tells its processes the width of a terminal that they do not have
os.environ.pop("PYTEST_ADDOPTS", None)  # read by now, and meant for this pytest: that of the ranks takes other options

# A slow moment of a shared machine is not a failure (pytest's own time limit ends what hangs), and the same code gets the
# same examples each time; `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--check", action="store_true", help="only the files that are done at once (tests/selection.py)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.getoption("--check", False) and collection_path.match("test_*.py"):
        return True if not is_quick(collection_path) else None
    return None


@pytest.fixture
def warm_torch(request: pytest.FixtureRequest) -> Entrance:
    """For tests that start processes of their own: Python with PyTorch and Horovod, at once."""
    return warm_processes(request.config).having("torch")


@pytest.fixture
def warm_tensorflow(request: pytest.FixtureRequest) -> Entrance:
    """The same with TensorFlow."""
    return warm_processes(request.config).having("tensorflow")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist, before it starts, where to borrow warm processes."""
    node.workerinput["warm processes"] = lent_at(node.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    warm_processes(session.config).close()


@pytest.fixture
def gloo_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold for tests that begin and end Horovod in pytest's own process, which no launcher has told what to use.

    Where MPI is built in, Horovod would take it; MPI cannot begin again once it has ended, and its second beginning ends
    the process, so the whole run of the tests, in silence.
    """
    monkeypatch.setenv("HOROVOD_CONTROLLER", "gloo")
    monkeypatch.setenv("HOROVOD_CPU_OPERATIONS", "gloo")
