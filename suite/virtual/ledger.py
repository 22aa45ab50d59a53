"""What the workers of a virtual run write down: the files that real ranks write, of all of them, in virtual seconds."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from algorithms.virtual.compute import Spent
from algorithms.virtual.trace import Trace
from suite.rank.samples import Step, step_line
from suite.record.rank import Telemetry
from suite.training.evaluation import NOTHING, Evaluation


@dataclass
class Lines:
    """Of one worker. A step is known when the next one begins: what lies between them it stood still."""

    lines: list[str] = field(default_factory=list)
    steps: int = 0
    begun: tuple[int, float, float, float] | None = None  # number, start, compute, injected


@dataclass
class Ledger:
    """Kept in memory, so that a checkpoint can hold it; `flush` adds to the files what they lack."""

    workers: int
    warmup: int
    of: list[Lines] = field(default_factory=list)
    losses: dict[tuple[int, int], float] = field(default_factory=dict)
    flushed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.of = self.of or [Lines() for _ in range(self.workers)]
        self.flushed = [0] * self.workers

    def event(self, worker: int, event: str, **content: Any) -> None:
        self.of[worker].lines.append(json.dumps({"event": event, "rank": worker} | content))

    def lost(self, worker: int, step: int, loss: float) -> None:
        self.losses[worker, step] = loss

    def computed(self, worker: int, step: int, time: float, spent: Spent) -> None:
        began = time - spent.compute - spent.injected
        self.ended(worker, began)
        held = self.of[worker]
        held.begun = (step, began, spent.compute, spent.injected)
        held.steps += 1

    def ended(self, worker: int, time: float) -> None:
        """The step under way, if any, was over then."""
        held = self.of[worker]
        if held.begun is None:
            return
        number, began, compute, injected = held.begun
        held.begun = None
        seconds = max(time - began, compute + injected)
        held.lines.append(
            step_line(
                Step(
                    number=number,
                    warmup=number < self.warmup,
                    started=began,
                    seconds=seconds,
                    loss=self.losses.pop((worker, number), math.nan),
                    compute=compute,
                    blocked=max(0.0, seconds - compute - injected),
                    update=0.0,
                    injected=injected,
                    asked=injected,
                )
            )
        )

    def evaluated(self, parts: Sequence[Evaluation], seen: int, time: float, sent: float) -> None:
        """One part for each worker, or one for all."""
        for worker in range(self.workers):
            counts = parts[worker] if worker < len(parts) else NOTHING
            self.event(
                worker,
                "evaluation",
                step=self.of[worker].steps,
                seen=seen,
                seconds=time,
                wall_seconds=time,
                bytes_sent=round(sent),
                **asdict(counts),
            )

    def flush(self, folder: Path) -> None:
        for worker, held in enumerate(self.of):
            new = held.lines[self.flushed[worker] :]
            if new:
                with (folder / f"rank-{worker}.jsonl").open("a", encoding="utf-8") as file:
                    file.write("".join(f"{line}\n" for line in new))
                self.flushed[worker] = len(held.lines)


def ages(trace: Trace, workers: int) -> list[Counter[int]]:
    """How often each worker's gradients were so many rounds old."""
    found: list[Counter[int]] = [Counter() for _ in range(workers)]
    for age, whose in zip(trace.staleness, trace.whose, strict=True):
        found[whose][age] += 1
    return found


def telemetry(
    trace: Trace, worker: int, staleness: Counter[int], steps: int, declared: tuple[float, float]
) -> Telemetry:
    """`declared`: memory in copies of the parameters, bytes of an exchange."""
    return Telemetry(
        steps=steps,
        rounds=trace.rounds,
        bytes_sent=round(trace.bytes_sent),
        staleness=dict(sorted(staleness.items())),
        contributions_used=trace.used[worker],
        contributions_dropped=trace.dropped[worker],
        contributions_given_up=trace.given_up[worker] if trace.given_up else 0,
        memory_declared=declared[0],
        bytes_per_exchange_declared=declared[1],
    )
