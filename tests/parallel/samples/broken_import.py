"""Cannot be imported on rank 1; run by tests/runner/test_parallel_runner.py, never by itself."""

import os

import pytest

pytestmark = pytest.mark.ranks(2)

if os.environ.get("HOROVOD_RANK") == "1":
    raise ImportError("no such luck on rank 1")


def test_never_runs() -> None:
    pass
