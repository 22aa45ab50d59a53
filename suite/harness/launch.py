"""One run from specification to record: launched with a deadline, watched, diagnosed, verified, composed.

Whatever happens, a record comes out, except for an interruption before the run began.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from suite.cluster.contract import Cluster, ClusterError, Counters
from suite.experiment import choices
from suite.experiment.live import Live
from suite.experiment.plan import Planned
from suite.harness import compose, expected, tokens
from suite.harness.diagnosis import diagnose
from suite.harness.elastic import GLOO_TIMEOUT_SECONDS, Staged
from suite.harness.executor import Ended, Executor, Job, Processes
from suite.harness.facts import facts_of
from suite.harness.progress import Follower, Progress
from suite.harness.signals import held
from suite.harness.warm import WarmRanks
from suite.rank.job import NAME, RankJob, clock_of_this_machine
from suite.rank.samples import RankFile, read_ranks
from suite.rank.trace import HOROVOD_TIMELINE, merge
from suite.record.faults import Fault
from suite.record.host import Cluster as ClusterRecord
from suite.record.outcome import Failed, Finished, Outcome, Reason
from suite.record.schema import Record, Sweep
from suite.record.specification import Specification

# A sleep that took this much longer than asked says that the machine was too busy to inject what was meant.
INJECTION_TOLERANCE = 0.1
# What ranks get beyond the deadline to say where they stood and end themselves.
GRACE_SECONDS = 15.0
LARGEST_KEPT = 128 << 10  # bytes of freed memory, in runs that measure it


@dataclass(frozen=True)
class Request:
    """One run to do, and what its record will say about where it came from."""

    planned: Planned
    experiment: str
    question: str
    sweep: Sweep
    repetition: int
    attempt: int
    command: str  # repeats it
    deadline: float
    trace: Path | None = None
    network_seconds: float | None = None  # None: it could not be made

    @cached_property
    def live(self) -> Live:
        return Live(self.planned.specification)


@dataclass(frozen=True)
class Launcher:
    """What a run needs of the world; tests replace it."""

    work: Path  # on a file system that all hosts see
    executor: Executor = field(default_factory=Processes)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    python: str = sys.executable
    warm: WarmRanks | None = None  # None: every rank is a Python of its own

    def launch(
        self,
        request: Request,
        cluster: Cluster,
        watch: Callable[[Progress, float], None],
        written: contextlib.ExitStack,
    ) -> Record:
        """`cluster` is entered. `watch` is told now and then how far the run is. Once the command has ended, signals wait
        until the caller has written the record and closes `written`."""
        specification = request.planned.specification
        token = tokens.new()
        folder = self.work / token
        created, start = self.now(), self.clock()
        before: tuple[Counters, ...] = ()
        files: Sequence[RankFile] = ()
        warnings: list[str] = []
        try:
            argv = self._argv(specification, folder)
            created, start = self.now(), self.clock()
            folder.mkdir(parents=True)
            self._job(request, folder).write()
            before = cluster.counters()
            staged = Staged.of(specification, folder)
            if staged is None:
                command = cluster.command(specification.workers, argv, mpi=choices.needs_mpi(specification))
                place, look = cluster.environment(), watch
            else:
                command, place, look = staged.command(argv), staged.environment(), staged.watching(watch)
            job = Job(
                command=command,
                environment=environment(specification) | place | timeline(request, folder),
                folder=folder,
                # The ranks end themselves at the deadline and say where they stood; this is for when they cannot.
                deadline=request.deadline + GRACE_SECONDS,
                token=token,
            )
            members = members_of(specification)
            follower = Follower(folder, len(members))
            ended = self.executor(job, follower.over, lambda seconds: look(follower.look(), seconds))
            written.enter_context(held())
            files = read_ranks(folder)
            outcome: Outcome = diagnose(
                ended,
                files,
                members,
                deadline=request.deadline,
                fault=specification.fault,
                replicas_agree=compose.replicas_agree(request.live, compose.last_step(files)),
            )
            warnings += _warnings(ended, outcome, files)
            if request.trace is not None and traced(request):
                merge(folder, files, request.trace)
        except Exception as error:  # a fault of ours must cost one run, not the sweep
            outcome = _broken(error)
        finally:
            written.enter_context(held())
            with contextlib.suppress(OSError):
                files = files or read_ranks(folder)
            shutil.rmtree(folder, ignore_errors=True)
        seconds = self.clock() - start
        try:
            described = _described(cluster, before, specification.fault)
            return self._compose(request, created, seconds, outcome, files, described, warnings)
        except Exception as error:  # what failed is not asked again
            outcome = Failed(reason=Reason.HARNESS, message=f"{type(error).__name__}: {error}")
            return self._compose(request, created, seconds, outcome, (), None, warnings)

    def refused(self, request: Request, error: Exception) -> Record:
        """The record of a run whose cluster could not be had."""
        return self._compose(request, self.now(), 0.0, _broken(error), (), None, ())

    def _argv(self, specification: Specification, folder: Path) -> Sequence[str]:
        """What a rank executes. Whatever is imported once for many runs is imported before the clock of this one starts."""
        job = str(folder.resolve() / NAME)
        warm = None if self.warm is None else self.warm.command(specification, environment(specification), job)
        return warm or [self.python, "-m", specification.network.worker, job]

    def _job(self, request: Request, folder: Path) -> RankJob:
        return RankJob(
            specification=request.planned.specification,
            folder=str(folder.resolve()),
            launched_at=time.time(),
            clock=clock_of_this_machine(),
            deadline=request.deadline,
            trace=traced(request),
        )

    def _compose(
        self,
        request: Request,
        created: datetime,
        seconds: float,
        outcome: Outcome,
        files: Sequence[RankFile],
        cluster: ClusterRecord | None,
        warnings: Sequence[str],
    ) -> Record:
        specification = request.planned.specification
        evaluations = compose.evaluations_of(files)
        return Record(
            identity=specification.identity,
            experiment=request.experiment,
            question=request.question,
            sweep=request.sweep,
            repetition=request.repetition,
            attempt=request.attempt,
            labels=request.planned.labels,
            kind=specification.kind,
            replayed=specification.replayed,
            specification=specification,
            command=request.command,
            created=created.replace(microsecond=0),
            wall_seconds=round(seconds, 3),
            network_seconds=request.network_seconds,
            deadline_seconds=request.deadline,
            outcome=outcome,
            facts=facts_of(request.live.algorithm, specification.workers),
            ranks=compose.ranks_of(files, request.live),
            evaluations=evaluations,
            reached=compose.reached_of(evaluations, specification.targets),
            hosts=compose.hosts_of(files),
            cluster=cluster,
            warnings=tuple(warnings) + (() if cluster is None else cluster.warnings),
        )


def _broken(error: Exception) -> Failed:
    """What becomes of a run when something around it fails."""
    if isinstance(error, ClusterError):
        return Failed(reason=Reason.CLUSTER, message=str(error))
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return Failed(reason=Reason.DISK if full else Reason.HARNESS, message=str(error))
    return Failed(reason=Reason.HARNESS, message=f"{type(error).__name__}: {error}")


def members_of(specification: Specification) -> Sequence[int]:
    """Who is to be there at the end, by the rank that each began with."""
    fault, workers = specification.fault, specification.workers
    return range(workers) if fault is None else fault.staying(workers)


def environment(specification: Specification) -> dict[str, str]:
    """What every rank gets beside the caller's own environment. Horovod's settings only where the run sets them."""
    root = str(expected.launched_from())
    settings = {
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
        "OMP_NUM_THREADS": str(specification.threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONUNBUFFERED": "1",
    }
    if specification.horovod.cycle_time_ms is not None:
        settings["HOROVOD_CYCLE_TIME"] = f"{specification.horovod.cycle_time_ms:g}"
    if specification.horovod.fusion_mb is not None:
        settings["HOROVOD_FUSION_THRESHOLD"] = str(round(specification.horovod.fusion_mb * 2**20))
    if specification.measure_memory:
        # The C library otherwise keeps freed tensors up to 32 MB for the next one, and resident with them.
        settings |= dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(LARGEST_KEPT))
    return settings


def traced(request: Request) -> bool:
    """Traces lay the steps of equal numbers side by side: there are none where workers come and go."""
    return request.trace is not None and request.planned.specification.faults is None


def timeline(request: Request, folder: Path) -> dict[str, str]:
    """Horovod's own timeline, where a trace was asked for: it costs time, so never otherwise."""
    return {} if not traced(request) else {"HOROVOD_TIMELINE": str(folder.resolve() / HOROVOD_TIMELINE)}


def _described(cluster: Cluster, before: Sequence[Counters], fault: Fault | None) -> ClusterRecord | None:
    """None where the cluster is gone: that is what the record is about."""
    asked = {} if fault is None else {"gloo_timeout_seconds": GLOO_TIMEOUT_SECONDS[fault.kind]}
    sent = None
    with contextlib.suppress(ClusterError, OSError):
        after = cluster.counters()
        if before and len(after) == len(before):
            sent = tuple((now - then).sent_bytes for now, then in zip(after, before, strict=True))
    with contextlib.suppress(ClusterError, OSError):
        facts = asdict(cluster.facts())
        return ClusterRecord(**facts | {"asked": facts["asked"] | asked}, interface_bytes=sent)
    return None


def _warnings(ended: Ended, outcome: Outcome, files: Sequence[RankFile]) -> list[str]:
    found = []
    if ended.how == "lingering" and isinstance(outcome, Finished):
        found.append("the ranks had finished but did not exit by themselves")
    for file in files:
        asked = sum(step.asked for step in file.steps)
        took = sum(step.injected for step in file.steps)
        if asked and took > asked * (1 + INJECTION_TOLERANCE):
            found.append(f"rank {file.rank} was delayed by {took:.2f} s where {asked:.2f} s were asked for")
    return found
