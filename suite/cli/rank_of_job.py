"""One rank of `farandole train`: the worker that the harness uses, with its samples shown instead of kept."""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from suite.cli.errors import BAD_INPUT, FAILED, OK
from suite.rank import samples, worker
from suite.rank.job import RankJob, clock_of_this_machine
from suite.rank.samples import RankFile
from suite.record.specification import Specification

SHOW_SECONDS = 2.0
OURS = Path(__file__).parents[2]


def run(specification: Specification, *, as_json: bool = False) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rank = worker.own_rank()
    with tempfile.TemporaryDirectory(prefix="farandole-train-") as name:
        job = RankJob(
            specification=specification,
            folder=name,
            launched_at=time.time(),
            clock=clock_of_this_machine(),
            deadline=float("inf"),
        )
        writer = samples.RankWriter(Path(name), rank)
        over = threading.Event()
        watcher = threading.Thread(target=_show, args=(writer.path, specification, over), daemon=True)
        if rank == 0 and not as_json:
            watcher.start()
        try:
            with worker.slowed(job.live.straggler, rank):
                worker.run(job, writer)
        except BaseException as error:
            if isinstance(error, ValueError) and is_ours(error):
                _leave(f"error: {error}", BAD_INPUT)
            traceback.print_exc()
            _leave(f"error: rank {rank} failed: {type(error).__name__}: {error}", FAILED)
        writer.close()
        over.set()
        if watcher.is_alive():
            watcher.join()
        found = samples.read_rank(writer.path)
    if rank == 0:
        print(json.dumps(as_dict(found)) if as_json else "\n".join(summary(found, specification)), flush=True)
    return OK if found.diverged is None else FAILED


def is_ours(error: BaseException) -> bool:
    """Whether our own code refused something, rather than a framework deep below."""
    raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
    return any(Path(raised_in).is_relative_to(OURS / package) for package in ("suite", "algorithms"))


def _leave(message: str, code: int) -> None:
    """Not through atexit, where Horovod would wait for ranks that wait for this one."""
    print(message, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(code)


def _show(path: Path, specification: Specification, over: threading.Event) -> None:
    total = specification.warmup + specification.steps
    shown = -1
    while not over.wait(SHOW_SECONDS):
        found = samples.read_rank(path)
        if found.steps and found.steps[-1].number != shown:
            last = found.steps[-1]
            shown = last.number
            print(f"step {last.number + 1}/{total}  loss {last.loss:.4g}  {last.seconds:.3f} s", flush=True)


def summary(found: RankFile, specification: Specification) -> Iterator[str]:
    """What rank 0 saw, in a few lines."""
    steps = [step for step in found.steps if not step.warmup]
    kind = f" ({specification.kind})" if specification.kind != "measured" else ""
    yield (
        f"{specification.algorithm.name} on {specification.framework}, {specification.model.name}, "
        f"{specification.workers} rank{'s' if specification.workers > 1 else ''}{kind}"
    )
    if steps:
        seconds = [step.seconds for step in steps]
        mean, median = statistics.fmean(seconds), statistics.median(seconds)
        yield (
            f"  {len(steps)} steps on rank 0, {mean:.4f} s each on average (typically {median:.4f}): "
            f"{specification.batch_size / mean:.1f} samples/s computed on this rank"
        )
        losses = [step.loss for step in steps if not math.isnan(step.loss)]  # steps without samples, or left early
        if losses:
            yield f"  loss {losses[0]:.4g} -> {losses[-1]:.4g}"
    if found.evaluations:
        last = found.evaluations[-1]
        yield f"  accuracy on rank 0's part of the held-out data: {last.counts.top1:.2%} after {last.seen} samples"
    counted = found.telemetry
    if counted is not None and counted.rounds:
        dropped = f", {counted.contributions_dropped} dropped" if counted.contributions_dropped else ""
        left = f", {counted.contributions_given_up} given up" if counted.contributions_given_up else ""
        yield f"  {counted.rounds} rounds, {counted.bytes_sent / 1e6:.1f} MB sent by rank 0{dropped}{left}"
    if found.diverged is not None:
        yield f"  diverged at step {found.diverged[0]}: {found.diverged[1]}"


def as_dict(found: RankFile) -> dict[str, object]:
    """All that rank 0 has written down, as JSON can hold it."""
    content = asdict(found)
    content["startup"] = found.startup.model_dump() if found.startup else None
    content["surroundings"] = found.surroundings.model_dump() if found.surroundings else None
    content["telemetry"] = found.telemetry.model_dump() if found.telemetry else None
    return content
