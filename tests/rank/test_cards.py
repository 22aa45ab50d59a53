"""Which GPU a rank takes, with a CUDA that only pretends."""

from __future__ import annotations

import pytest
import torch

from suite.rank import torch_side
from suite.rank.resident import DevicePeak


class Machine:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, cards: int, ranks: int, nccl: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
        monkeypatch.setattr(torch_side.hvd, "is_initialized", lambda: True)
        monkeypatch.setattr(torch_side.hvd, "local_size", lambda: ranks)
        monkeypatch.setattr(torch_side.hvd, "nccl_built", lambda: nccl)


def test_ranks_have_a_card_each_or_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, cards=2, ranks=2, nccl=True)
    assert [torch_side.card(rank).index for rank in range(2)] == [0, 1]
    Machine(monkeypatch, cards=1, ranks=2, nccl=False)
    assert [torch_side.card(rank).index for rank in range(2)] == [0, 0]


def test_what_nccl_would_refuse_is_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, cards=1, ranks=2, nccl=True)
    with pytest.raises(ValueError, match=r"2 ranks share 1 GPU here, which NCCL refuses: run on 1, .* --nccl off"):
        torch_side.card(1)


def test_no_card_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, cards=0, ranks=1, nccl=False)
    with pytest.raises(ValueError, match=r"device = gpu: PyTorch .* sees none"):
        torch_side.card(0)


def test_the_mark_on_a_gpu_begins_anew_once() -> None:
    forgotten = []
    peak = DevicePeak(lambda: forgotten.append(True), lambda: 42)
    assert peak.since_begun is None
    peak.begin()
    peak.begin()
    assert (len(forgotten), peak.since_begun) == (1, 42)
