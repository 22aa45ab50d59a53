"""A real collective that one rank never joins; run by tests/runner/test_parallel_runner.py, never by itself."""

import horovod.torch as hvd
import pytest
import torch

pytestmark = pytest.mark.ranks(2, environment={"HOROVOD_FUSION_THRESHOLD": "0"})


def test_sum(rank: int, ranks: int) -> None:
    hvd.init()
    total = hvd.allreduce(torch.full((4,), float(rank + 1)), op=hvd.Sum, name="sum")
    assert total.tolist() == [3.0] * 4


@pytest.mark.timeout(5)
def test_one_rank_stays_away(rank: int) -> None:
    hvd.init()
    if rank == 0:
        hvd.allreduce(torch.ones(4), name="alone")


def test_sum_after_the_hang(rank: int, ranks: int) -> None:
    test_sum(rank, ranks)
