"""Gradients on a GPU leave when the stream that computes them has got there, whichever thread sends them.

No GPU is needed: the tensor only says that it is on one, and what is asked of CUDA and of Horovod is written down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from algorithms.mechanisms.plan import Piece
from algorithms.torch.exchange import wire
from algorithms.torch.exchange.wire import HorovodWire, load


class OnGpu(torch.Tensor):
    is_cuda = True  # type: ignore[assignment]


class Log(list[tuple[Any, ...]]):
    stream = "training"

    def current_stream(self, device: torch.device) -> Stream:
        return Stream(self, self.stream)

    def reduce(self, name: str) -> Callable[..., int]:
        def enqueue(tensors: Any, **options: Any) -> int:
            self.append((name, self.stream))
            return 0

        return enqueue


class Stream:
    def __init__(self, log: Log, name: str) -> None:
        self.log, self.name = log, name

    def wait_event(self, event: Event) -> None:
        self.log.append(("waits", self.name, event.at))

    def synchronize(self) -> None:
        self.log.append(("done", self.name))


class Event:
    at: str

    def record(self, stream: Stream) -> None:
        self.at = stream.name


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", log.current_stream)
    for name in ("allreduce_async_", "grouped_allreduce_async_"):
        monkeypatch.setattr(wire.hvd, name, log.reduce(name))
    return log


def gradient(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.ones(4, dtype=dtype).as_subclass(OnGpu)


def test_the_senders_stream_waits_for_the_one_that_computed(log: Log) -> None:
    cargo = load(gradient())
    log.stream = "courier"
    HorovodWire().send([(cargo, Piece(0, 0, 2))], "a")
    assert log == [("waits", "courier", "training"), ("allreduce_async_", "courier")]


def test_it_waits_for_every_part_of_a_bundle(log: Log) -> None:
    first = load(gradient())
    log.stream = "another"
    second = load(gradient(torch.bfloat16))  # cast on the stream that computed it
    log.stream = "courier"
    HorovodWire().send([(first, Piece(0, 0, 4)), (second, Piece(1, 0, 4))], "ab")
    assert log == [
        ("waits", "courier", "training"),
        ("waits", "courier", "another"),
        ("grouped_allreduce_async_", "courier"),
    ]


def test_what_was_cast_is_there_when_it_has_landed(log: Log) -> None:
    cargo = load(gradient(torch.bfloat16))
    log.stream = "courier"
    cargo.wire.fill_(0.5)
    HorovodWire().landed(cargo)
    assert cargo.tensor.tolist() == [0.5] * 4
    assert log == [("done", "courier")]


def test_tensors_in_main_memory_ask_nothing_of_cuda(log: Log) -> None:
    HorovodWire().send([(load(torch.ones(4)), Piece(0, 0, 4))], "a")
    assert log == [("allreduce_async_", "training")]
