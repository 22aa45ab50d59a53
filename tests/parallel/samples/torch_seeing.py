"""Sees nothing of what `torch_leaving` has left behind; run by tests/runner/test_isolation.py, never by itself."""

import os
import threading
from pathlib import Path

import horovod.torch as hvd
import pytest
import torch

pytestmark = pytest.mark.ranks(2, 3)


def test_sees_nothing_left_behind(rank: int, ranks: int) -> None:
    assert "dynamo" in str(torch._dynamo)  # imported before the test asked for it: it has started warm
    assert not hasattr(torch, "left_behind")
    assert torch.get_default_dtype() is torch.float32
    assert torch.initial_seed() != 7
    assert not {"LEFT_BEHIND", "HOROVOD_FUSION_THRESHOLD"} & set(os.environ)
    assert Path.cwd() == Path(__file__).parents[3]
    assert len(threading.enumerate()) == 2  # this one, and the runner's that watches its pytest
    hvd.init()
    assert hvd.size() == ranks
    assert hvd.allreduce(torch.full((4,), float(rank)), op=hvd.Sum, name="sum").tolist() == [sum(range(ranks))] * 4
