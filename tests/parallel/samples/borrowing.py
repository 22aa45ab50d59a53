"""Says of which process its ranks are copies; run by tests/runner/test_isolation.py, never by itself."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.ranks(1, 2)


def test_is_a_copy(ranks: int) -> None:
    told = Path(os.environ["TOLD_IN"]) / f"{ranks}-{os.environ['HOROVOD_RANK']}"
    told.write_text(f"{os.environ['PYTEST_XDIST_WORKER']} {os.getppid()}")
