"""A cluster and an executor that run nothing: ranks' files and the command's end come out of a script."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from suite.cluster.contract import ClusterError, ClusterFacts, Counters
from suite.experiment.file import parse
from suite.experiment.plan import expand
from suite.harness.executor import Ended, Job
from suite.harness.sweep import Sweeper
from suite.rank.job import read
from suite.rank.samples import Failure, RankWriter, Step
from suite.record.rank import Surroundings
from suite.record.store import Store

MOMENTS = ("nothing", "importing", "ready", "first step", "middle", "evaluation", "last step", "ending")


@dataclass
class FakeCluster:
    name: str = "fake"
    kind: str = "measured"
    broken: str = ""
    entered: int = 0

    def __enter__(self):
        if self.broken:
            raise ClusterError(self.broken)
        self.entered += 1
        return self

    def __exit__(self, *error):
        self.entered -= 1

    def command(self, ranks, argv, *, mpi=False):
        return ["run over MPI" if mpi else "run", str(ranks), *argv]

    def environment(self):
        return {}

    def facts(self):
        return ClusterFacts(name=self.name, kind="measured", hosts=1, slots=2)

    def counters(self):
        return (Counters(sent_bytes=1, sent_packets=1, received_bytes=1, received_packets=1),)


@dataclass
class Rank:
    """Writes what a rank would, up to a moment."""

    job: Job
    number: int
    host: str = "here"
    writer: RankWriter = field(init=False)

    def __post_init__(self):
        self.specification = read(self.job.folder / "job.json").specification
        self.writer = RankWriter(self.job.folder, self.number)

    def upto(self, moment: str, digest: str = "d", surroundings: Surroundings | None = None, top1: int = 5) -> Rank:
        reached = MOMENTS.index(moment)
        total = self.specification.warmup + self.specification.steps
        if reached >= 1:
            self.writer.event("begin", host=self.host, process=1, time=time.time())
        if reached >= 2:
            startup = {"launch": 0.1, "imports": 0.1, "horovod": 0.1, "build": 0.1, "data": 0.1}
            host = {"name": self.host, "ranks": (), "cpu": "c", "cores": 2, "memory_bytes": 1, "digest": "e"}
            self.writer.event("ready", startup=startup, parameter_bytes=100, memory_start_bytes=1, fingerprint=host)
            self.writer.event("start", time=time.time())
        steps = {3: 1, 4: total // 2, 5: total // 2, 6: total, 7: total}.get(reached, 0)
        for number in range(steps):
            self.writer.step(
                Step(number, number < self.specification.warmup, number * 0.1, 0.1, 2.0, 0.06, 0.04, update=0.0)
            )
        if reached >= 5:
            counts = {"samples": 10, "loss_sum": 9.0, "top1_count": top1, "top5_count": 9}
            self.writer.event("evaluation", step=steps, seen=80, seconds=1.0, wall_seconds=1.1, bytes_sent=10, **counts)
        if reached >= 7:
            if surroundings is not None:
                self.writer.event("surroundings", **surroundings.model_dump())
            self.writer.event(
                "end",
                verdict="finished",
                telemetry={"rounds": total, "steps": total},
                digest=digest,
                own_digest=None,
                memory_peak_bytes=10,
                cpu_seconds=1.0,
            )
        return self

    def fails(self, message: str, kind: str = "ValueError", *, at: float = 1.0, consequence: bool = False) -> None:
        self.writer.failure(Failure(message, kind, "trace", at, consequence))


Script = Callable[[Job], Ended]


def finish(job: Job) -> Ended:
    """Two ranks that do everything right."""
    for number in range(read(job.folder / "job.json").specification.workers):
        Rank(job, number).upto("ending")
    return Ended("exited", 0, 3.0)


@dataclass
class Scripted:
    """An executor: the script for the run's seed, or a good end."""

    scripts: dict[int, Script] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)

    def __call__(self, job, over, tick):
        self.jobs.append(job)
        tick(0.5)
        seed = read(job.folder / "job.json").specification.seed
        return self.scripts.get(seed, finish)(job)


def plan(seeds: int = 3, repetitions: int = 1, algorithms: tuple[str, ...] = ("synchronous",), workers=(2,), **run):
    """A plan of one run per seed; the seed tells them apart."""
    settings = {"steps": 6, "warmup": 2, "evaluate_every": 64} | run
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    text = f"""
question = "What happens?"
repetitions = {repetitions}
[run]
{lines}
[axes]
framework = ["torch"]
model = ["lenet"]
algorithm = {json.dumps(algorithms)}
workers = {list(workers)}
seed = {list(range(seeds))}
"""
    return expand(parse(text, Path("faults.toml")))


def sweeper(folder: Path, executor, cluster=None) -> Sweeper:
    from suite.harness.launch import Launcher

    chosen = cluster or FakeCluster()
    return Sweeper(
        Store(folder),
        Console(file=io.StringIO(), width=120),
        Launcher(work=folder / ".work", executor=executor),
        open_cluster=lambda network, workers: chosen,
    )
