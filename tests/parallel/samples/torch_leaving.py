"""Leaves behind whatever a test can leave behind; run by tests/runner/test_isolation.py, never by itself."""

import os
import threading
import time
from pathlib import Path

import horovod.torch as hvd
import pytest
import torch

pytestmark = pytest.mark.ranks(2)


def test_leaves_everything_behind(rank: int, tmp_path: Path) -> None:
    hvd.init()
    torch.left_behind = True
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(7)
    os.environ["LEFT_BEHIND"] = "yes"
    os.environ["HOROVOD_FUSION_THRESHOLD"] = "1"
    os.chdir(tmp_path)
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    if rank == 0:
        hvd.allreduce_async(torch.ones(4), name="sum")  # which rank 1 never joins, and nobody waits for
