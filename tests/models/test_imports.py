"""One framework per process: what one builder needs must not load the other framework."""

import subprocess
import sys

import pytest

KERAS = "keras_builder, replay_keras, recording_keras"
TORCH = "torch_builder, replay_torch, recording_torch"


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("describe", ("torch", "tensorflow", "keras")),
        ("profile, recording, slept, replayed", ("torch", "tensorflow", "keras")),
        (KERAS, ("torch",)),
        (TORCH, ("tensorflow", "keras")),
    ],
)
def test_frameworks_stay_apart(modules, absent):
    code = f"import sys; from suite.models import {modules}; print(sorted(set({absent!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == "[]"
