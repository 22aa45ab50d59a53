"""What a thread submits while another ends Horovod: never in between, where Horovod would lose it."""

from __future__ import annotations

import threading

import horovod.torch as hvd
import pytest
import torch

from algorithms.torch import collectives


def test_nothing_is_submitted_while_horovod_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ending, end = threading.Event(), threading.Event()
    order: list[str] = []

    def shutdown() -> None:
        ending.set()
        end.wait(60)
        order.append("ended")

    monkeypatch.setattr(hvd, "shutdown", shutdown)
    monkeypatch.setattr(hvd, "allreduce_async_", lambda *_, **__: order.append("submitted") or 7)
    leaver = threading.Thread(target=collectives.leave)
    leaver.start()
    assert ending.wait(60)
    handles: list[int] = []
    submitter = threading.Thread(
        target=lambda: handles.append(collectives.submit(torch.zeros(1), "late", hvd.Sum, hvd.global_process_set))
    )
    submitter.start()
    submitter.join(0.2)
    assert submitter.is_alive() and not order
    end.set()
    leaver.join(60)
    submitter.join(60)
    assert order == ["ended", "submitted"] and handles == [7]
