"""How long a GPU computed, copied and did both, from what a profiler saw."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

from torch.autograd import DeviceType

from suite.gpu import streams_torch

CUDA, CPU = DeviceType.CUDA, DeviceType.CPU


@dataclass
class Event:
    name: str
    start: float
    end: float
    device_type: DeviceType = CUDA

    @property
    def time_range(self) -> SimpleNamespace:
        return SimpleNamespace(start=self.start, end=self.end)


def test_what_overlaps_counts_once_and_what_the_cpu_did_not_at_all() -> None:
    events = [
        Event("sgemm", 0.0, 3e6),
        Event("sgemm", 2e6, 4e6),
        Event("Memcpy DtoH", 3e6, 6e6),
        Event("aten::conv2d", 0.0, 9e6, CPU),
    ]
    found = streams_torch.busy(streams_torch.on_gpu(events))
    steps = streams_torch.STEPS
    assert found == {"computing_seconds": 4 / steps, "copying_seconds": 3 / steps, "both_seconds": 1 / steps}


def test_without_a_gpu_nothing_is_known() -> None:
    found = streams_torch.busy(streams_torch.on_gpu([Event("aten::conv2d", 0.0, 1.0, CPU)]))
    assert set(found.values()) == {None}
