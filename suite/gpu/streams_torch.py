"""`python -m suite.gpu.streams_torch FOLDER DEVICE ALGORITHM [NAME=VALUE...]` on every rank: how busy is its GPU in a step?

The harness's traces tell when the training thread launched what. Here PyTorch's profiler tells when the GPU computed and
when it copied, and writes both down in Chrome's trace format.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

from suite.cli.specify import Wanted, ranks_of_this_job, specification
from suite.experiment.live import Live
from suite.rank import torch_side
from suite.rank.sources import open_source

WARMUP, STEPS = 8, 6  # planned exchanges have found their order after six steps
COPIES = ("Memcpy", "ncclDevKernel")
SMALL = {"image": 64, "width": 0.125, "batch_size": 4}
LARGE = {"image": 224, "width": 1.0, "batch_size": 64}

Span = tuple[float, float]


def main(arguments: list[str]) -> None:
    folder, device, algorithm, *options = arguments
    size: dict[str, Any] = LARGE if device == "gpu" else SMALL
    wanted = Wanted(
        framework="torch", model="alexnet", classes=10, algorithm=algorithm, options=options, device=device, **size
    )
    specified = specification(wanted, ranks_of_this_job())
    place = torch_side.join(specified)
    built = torch_side.build(Live(specified), place)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "gpu" else [])]
    with open_source(specified, "train", place.rank, place.size).stream() as batches:
        for batch in islice(batches, WARMUP):
            built.session.steps([batch])
        place.exchange("warm")
        with profile(activities=activities) as watched:
            began = time.perf_counter()
            for batch in islice(batches, STEPS):
                built.session.steps([batch])
            seconds = time.perf_counter() - began
    built.optimizer.finish()
    place.exchange("end")
    label = "-".join([algorithm, *options])
    watched.export_chrome_trace(str(Path(folder) / f"streams-{label}-rank{place.rank}.json"))
    if place.rank == 0:
        print(json.dumps({"algorithm": label, "step_seconds": seconds / STEPS} | busy(on_gpu(watched.events() or ()))))
    torch_side.leave()


def on_gpu(events: Iterable[Any]) -> tuple[list[Span], list[Span]]:
    """What the GPU computed, and what it copied, in microseconds."""
    computed: list[Span] = []
    copied: list[Span] = []
    for event in events:
        if event.device_type.name == "CUDA":
            span = (event.time_range.start, event.time_range.end)
            (copied if event.name.startswith(COPIES) else computed).append(span)
    return computed, copied


def busy(spans: tuple[list[Span], list[Span]]) -> dict[str, float | None]:
    """Seconds per step in which the GPU computed, copied, and did both at once; None where there was no GPU."""
    computed, copied = (union(one) for one in spans)
    if not computed:
        return {"computing_seconds": None, "copying_seconds": None, "both_seconds": None}
    both = length(computed) + length(copied) - length(union([*computed, *copied]))
    parts = {"computing_seconds": length(computed), "copying_seconds": length(copied), "both_seconds": both}
    return {name: value / 1e6 / STEPS for name, value in parts.items()}


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time without what overlaps."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def length(spans: Iterable[Span]) -> float:
    return sum(end - start for start, end in spans)


if __name__ == "__main__":
    main(sys.argv[1:])
