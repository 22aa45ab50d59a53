"""What every test process starts with."""

import os

import pytest
from hypothesis import settings

# Ranks and frameworks share a few cores here: one thread each keeps results reproducible and the machine usable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A slow moment of a shared machine is not a failure (pytest's own time limit ends what hangs), and the same code gets the
# same examples each time; `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture
def gloo_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold for tests that begin and end Horovod in pytest's own process, which no launcher has told what to use.

    Where MPI is built in, Horovod would take it; MPI cannot begin again once it has ended, and its second beginning ends
    the process, so the whole run of the tests, in silence.
    """
    monkeypatch.setenv("HOROVOD_CONTROLLER", "gloo")
    monkeypatch.setenv("HOROVOD_CPU_OPERATIONS", "gloo")
