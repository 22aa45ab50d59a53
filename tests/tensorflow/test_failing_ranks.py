"""A rank that fails, leaves or drops an exchange ends the job with an error within seconds; nobody hangs."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from suite.cluster.horovodrun import horovodrun
from suite.warm.owner import WarmPython

ROOT = Path(__file__).parents[2]
START = 60.0  # seconds that TensorFlow needs to be imported on a busy machine

WAYS = {
    "ignores": ("[1]", "does not use the averaged gradients"),
    "leaves": ("[0]", "Horovod"),  # has been shut down, or lost its connection
    "raises": ("[0]", "training failed on rank 1"),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("way", WAYS)
def test_job_ends_with_an_error(way: str, warm_tensorflow: WarmPython) -> None:
    begun = time.monotonic()
    ran = subprocess.run(
        horovodrun(2, [("localhost", 2)], warm_tensorflow.command("tests.tensorflow.failing_job", way)),
        cwd=ROOT,
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
