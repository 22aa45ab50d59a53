"""Hangs for as long as one lets it; run by tests/runner/test_isolation.py, never by itself."""

import os
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.ranks(2)


def test_hangs(rank: int) -> None:
    subprocess.Popen(["sleep", "600"])
    (Path(os.environ["HANGS_IN"]) / str(rank)).touch()
    time.sleep(600)
