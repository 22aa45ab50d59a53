"""Horovod does not end so soon after a call that its exchange may not have been submitted yet."""

from __future__ import annotations

import time

import horovod.tensorflow as hvd
import pytest

from algorithms.tensorflow import collectives


def test_horovod_ends_some_time_after_the_last_call(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[float] = []
    monkeypatch.setattr(hvd, "shutdown", lambda: ended.append(time.monotonic()))
    called = time.monotonic()
    collectives.calls()
    collectives.leave()
    collectives.leave()
    assert len(ended) == 2 and ended[0] - called >= collectives.SUBMITTED
