"""A rank that fails, leaves or drops an exchange ends the job with an error within seconds; nobody hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.cluster.horovodrun import horovodrun

ROOT = Path(__file__).parents[2]
JOB = Path(__file__).parent / "failing_job.py"
START = 60.0  # seconds that two ranks need to import TensorFlow on a busy machine

WAYS = {
    "ignores": ("[1]", "does not use the averaged gradients"),
    "leaves": ("[0]", "Horovod"),  # has been shut down, or lost its connection
    "raises": ("[0]", "training failed on rank 1"),
}


@pytest.mark.parametrize("way", WAYS)
def test_job_ends_with_an_error(way: str) -> None:
    begun = time.monotonic()
    ran = subprocess.run(
        horovodrun(2, [("localhost", 2)], [sys.executable, str(JOB), way]),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode != 0
    assert time.monotonic() - begun < START + 30
    rank, message = WAYS[way]
    told = [line for line in ran.stdout.splitlines() if line.startswith(rank) and message in line]
    assert told, ran.stdout
    assert "has trained" not in ran.stdout
