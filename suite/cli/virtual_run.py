"""`farandole train --virtual N`: all workers in this process; what it leaves is a record like any other."""

from __future__ import annotations

import math
import shlex
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from suite.cli.errors import FAILED, INTERRUPTED, OK, FailedError, input_errors
from suite.cluster.virtual import Virtual
from suite.experiment.plan import Planned
from suite.harness.executor import Ended, Job
from suite.harness.launch import Launcher, Request
from suite.rank import job as jobs
from suite.record.axes import Labels
from suite.record.outcome import Diverged, Failed, Reason
from suite.record.schema import Record, Sweep
from suite.record.specification import Specification
from suite.record.store import Store, StoreError

if TYPE_CHECKING:
    from suite.virtual.training_torch import Prepared, Progress

EXPERIMENT = "train"
SHOW_SECONDS = 0.2


@dataclass(frozen=True)
class Here:
    """Runs the job in this process instead of starting a command."""

    prepared: Prepared
    shown: Callable[[Progress], None]
    processes: int | None
    checkpoint: Path | None

    def __call__(self, job: Job, over: Callable[[], bool], tick: Callable[[float], None]) -> Ended:
        from suite.virtual import worker_torch

        began = time.monotonic()
        try:
            code = worker_torch.run(
                jobs.read(job.folder / jobs.NAME), self.prepared, self.shown, self.processes, self.checkpoint
            )
        except KeyboardInterrupt:
            return Ended("interrupted", None, time.monotonic() - began)
        return Ended("exited", code, time.monotonic() - began)


def run(
    specification: Specification, *, as_json: bool, records: Path | None, processes: int | None, checkpoint: Path | None
) -> int:
    with input_errors():  # data, memory, what has no virtual form: before anything starts
        from suite.virtual import checkpoint_torch
        from suite.virtual.training_torch import prepare

        prepared = prepare(specification)
        if checkpoint is not None:
            checkpoint_torch.load(checkpoint, specification.identity, prepared.net.device)
    if not as_json:
        print(
            f"{specification.workers} workers, at most about {prepared.needs / 1e9:.2g} GB", file=sys.stderr, flush=True
        )
    with tempfile.TemporaryDirectory(prefix="farandole-train-") as work, _Bar(specification, quiet=as_json) as bar:
        launcher = Launcher(work=Path(work), executor=Here(prepared, bar.shown, processes, checkpoint))
        with ExitStack() as written:
            record = launcher.launch(_request(specification), Virtual(), lambda progress, seconds: None, written)
    if records is not None:
        record = _add(record, records)
    print(record.model_dump_json() if as_json else "\n".join(summary(record)), flush=True)
    if isinstance(record.outcome, Failed):
        if record.outcome.reason is Reason.INTERRUPTED:
            if checkpoint is not None and checkpoint.exists():
                print(f"Interrupted. The same command goes on from {checkpoint}.", file=sys.stderr)
            return INTERRUPTED
        raise FailedError(record.outcome.message)
    return FAILED if isinstance(record.outcome, Diverged) else OK


def summary(record: Record) -> Iterator[str]:
    """What happened, in a few lines."""
    specified = record.specification
    yield (
        f"{specified.algorithm.name}, {specified.model.name}, {specified.workers} workers (simulated: real gradients, "
        f"virtual time), {specified.network.describe(specified.workers)}, "
        f"{specified.network.compute_seconds:.4g} s of computing a step"
    )
    steps = [rank.steps for rank in record.ranks if rank.steps.seconds]
    if steps:
        virtual = max(one.started[-1] + one.seconds[-1] for one in steps)
        done = sum(len(one.seconds) for one in steps)
        yield f"  {done} gradients in {virtual:.4g} virtual seconds, {record.wall_seconds:.1f} s here"
        losses = [[loss for loss in one.loss if not math.isnan(loss)] for one in steps]
        first = [one[0] for one in losses if one]
        if first:
            yield f"  loss {statistics.fmean(first):.4g} -> {statistics.fmean(one[-1] for one in losses if one):.4g}"
    if record.evaluations:
        last = record.evaluations[-1]
        yield f"  accuracy {last.top1:.2%} after {last.samples} samples, {last.seconds:.4g} virtual seconds"
    counted = [rank.telemetry for rank in record.ranks if rank.telemetry is not None]
    if counted:
        ages: dict[int, int] = {}
        for one in counted:
            for age, count in one.staleness.items():
                ages[age] = ages.get(age, 0) + count
        used, dropped = sum(one.contributions_used for one in counted), sum(one.contributions_lost for one in counted)
        mean = sum(age * count for age, count in ages.items()) / max(1, sum(ages.values()))
        yield f"  {counted[0].rounds} rounds, {counted[0].bytes_sent / 1e6:.1f} MB sent by each worker"
        yield f"  contributions: {used} used, {dropped} lost, mean staleness {mean:.3g}"
    if isinstance(record.outcome, Diverged):
        yield f"  diverged at step {record.outcome.step}: {record.outcome.message}"


def _request(specification: Specification) -> Request:
    return Request(
        planned=Planned(0, 0, 0, specification, Labels.of(specification)),
        experiment=EXPERIMENT,
        question="",
        sweep=Sweep(identifier=uuid.uuid4().hex[:12], position=0),
        repetition=0,
        attempt=0,
        command=shlex.join(["python", "-m", "suite", *sys.argv[1:]]),
        deadline=math.inf,
    )


def _add(record: Record, folder: Path) -> Record:
    store = Store(folder)
    try:
        with store.writing() as writer:
            attempt = writer.next_attempt(EXPERIMENT, record.identity, record.repetition)
            record = record.model_copy(update={"attempt": attempt})
            writer.add(record)
    except StoreError as error:
        raise FailedError(str(error)) from error
    return record


@dataclass
class _Bar:
    """A line on a terminal's standard error: virtual time, and the real time left."""

    specification: Specification
    quiet: bool
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _last: float = -math.inf
    _width: int = field(default=0)

    def __enter__(self) -> _Bar:
        self._began = self.clock()
        return self

    def __exit__(self, *error: object) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")

    def shown(self, progress: Progress) -> None:
        now = self.clock()
        if self.quiet or not sys.stderr.isatty() or now - self._last < SHOW_SECONDS:
            return
        self._last = now
        done = progress.done / progress.total
        left = (now - self._began) / done * (1 - done)
        text = f"{done:4.0%}  {progress.seconds:.4g} virtual seconds  loss {progress.loss:.4g}  {left:.0f} s left"
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)
