"""Images per second of our loop beside the bare framework's own, on real nets of the papers' size: at least 0.97 of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LEAST = 0.97


@pytest.mark.parametrize("model", ["alexnet", "googlenet"])
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_our_loop_keeps_up_with_the_bare_one(benchmark: Any, framework: str, model: str) -> None:
    command = [sys.executable, "-m", "tests.microbench.loop_beside_bare", framework, model]
    done = benchmark.pedantic(
        subprocess.run, (command,), {"cwd": ROOT, "capture_output": True, "text": True, "check": True}, rounds=1
    )
    found = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found))
    assert found["ratio"] >= LEAST
