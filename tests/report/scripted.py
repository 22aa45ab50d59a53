"""Records that no process ever made: the shipped experiments' plans, with times and accuracies from a small model.

Schema-true and deterministic. They are fixtures: they never leave the tests, and nothing is concluded from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from suite.cluster import stragglers
from suite.experiment import file as experiments
from suite.experiment.plan import Planned, expand
from suite.record.host import Cluster, Host
from suite.record.outcome import Diverged, Failed, Finished, Outcome, Reason
from suite.record.rank import Rank, Startup, Steps, Telemetry
from suite.record.schema import Evaluation, Reached, Record, Sweep

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PERIODIC = ("downpour", "elastic_averaging", "local_sgd", "slowmo", "diloco")
HIDING = ("stock_horovod", "torch_ddp", "layerwise", "delayed")
# How many samples, relative to synchronous training, the same accuracy takes.
SLOWER = {"delayed": 1.3, "asynchronous": 1.6, "softsync": 1.3, "downpour": 1.5, "diloco": 1.8, "no_communication": 3.0}


@dataclass(frozen=True)
class World:
    """What the little model knows; tests change what they are about."""

    noise: float = 0.01
    seconds: float = 0.1  # of computing, where a plan does not say
    parameter_bytes: int = 4_000_000
    sweep: str = "5weep"
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    cpu: str = "A processor"
    luck: int = 0  # another world of the same kind
    speed: Callable[[Planned], float] = lambda planned: 1.0  # factor on all times
    outcome: Callable[[Planned], Outcome] = lambda planned: Finished()


def plan(name: str, *only: str, repetitions: int | None = None) -> tuple[Planned, ...]:
    found = expand(experiments.load(name), repetitions=repetitions)
    return (found.only(only) if only else found).runs


def records(name: str, *only: str, repetitions: int | None = None, world: World | None = None) -> tuple[Record, ...]:
    """A whole shipped experiment, or what filters leave of it."""
    question = experiments.load(name).file.question
    planned = plan(name, *only, repetitions=repetitions)
    return tuple(record(one, name, question, world or World()) for one in planned)


def record(planned: Planned, experiment: str, question: str, world: World) -> Record:
    specification = planned.specification
    outcome = world.outcome(planned)
    random = np.random.default_rng([int(planned.identity[:12], 16), planned.repetition, world.luck])
    job = _Job(planned, world, random)
    broken = isinstance(outcome, Failed)
    ranks = () if broken and outcome.reason is Reason.START else tuple(job.ranks(outcome))
    evaluations = () if broken else tuple(job.evaluations(ranks))
    return Record(
        identity=planned.identity,
        experiment=experiment,
        question=question,
        sweep=Sweep(identifier=world.sweep, position=planned.position, round=planned.round),
        repetition=planned.repetition,
        labels=planned.labels,
        kind=specification.kind,
        replayed=specification.replayed,
        specification=specification,
        command=f"python -m suite bench {experiment} --only {planned.identity[:12]} --repeat 1",
        created=START + timedelta(minutes=planned.position),
        wall_seconds=20.0,
        deadline_seconds=120.0,
        outcome=outcome,
        ranks=ranks,
        evaluations=evaluations,
        reached=tuple(_reached(evaluations, specification.targets)),
        hosts=() if not ranks else (_host(world, specification.workers),),
        cluster=_cluster(planned, world),
    )


def write(folder: Path, made: Iterable[Record]) -> Path:
    """As the store lays them out."""
    for one in made:
        home = folder / one.experiment
        home.mkdir(parents=True, exist_ok=True)
        name = f"{one.identity[:16]}-r{one.repetition}-a{one.attempt}.json"
        (home / name).write_text(one.model_dump_json() + "\n")
    (folder / "farandole-records.json").write_text('{"schema_version": 1}\n')
    return folder


def failing(reason: Reason, *algorithms: str, message: str = "it broke") -> World:
    """A world in which these algorithms fail (all, where none is named)."""

    def outcome(planned: Planned) -> Outcome:
        if algorithms and planned.specification.algorithm.name not in algorithms:
            return Finished()
        return Failed(reason=reason, message=message, rank=1, step=3, stderr_end="Traceback\nValueError: it broke")

    return World(outcome=outcome)


def diverging(*algorithms: str) -> World:
    def outcome(planned: Planned) -> Outcome:
        name = planned.specification.algorithm.name
        return Diverged(step=4, message="loss is not finite") if name in algorithms else Finished()

    return World(outcome=outcome)


def at_speed(world: World, **factors: float) -> World:
    """Algorithms, by name, that take so many times as long."""
    return replace(world, speed=lambda planned: factors.get(planned.specification.algorithm.name, 1.0))


def asked(made: Record, rank: int) -> tuple[float, ...]:
    """The straggler delays that a run's plan asked of one rank, per counting step."""
    planned = Planned(0, 0, made.repetition, made.specification, made.labels)
    job = _Job(planned, World(), np.random.default_rng(0))
    return _plain(job.delays(job.count)[rank][made.specification.warmup :])


class _Job:
    def __init__(self, planned: Planned, world: World, random: np.random.Generator) -> None:
        self.specification = planned.specification
        self.world, self.random = world, random
        self.factor = world.speed(planned)
        self.name = self.specification.algorithm.name
        self.options = self.specification.algorithm.options
        self.workers = self.specification.workers
        replay = self.specification.model.replay
        self.compute = world.seconds if replay is None else (replay.forward or 0.0) + (replay.backward or 0.0)
        self.size = world.parameter_bytes if replay is None else int(244e6 * replay.size)
        rate = (self.specification.network.rate_mbit or 8000.0) * 1e6 / 8
        self.every = int(self.options.get("period") or 1) if self.name in PERIODIC else 1
        silent = self.name in ("no_communication", "bare") or self.workers == 1
        self.declared = 0.0 if silent else 2 * (self.workers - 1) / self.workers * self.size
        self.wire = self.declared / rate
        self.count = self.specification.warmup + self.specification.steps

    def ranks(self, outcome: Outcome) -> Iterator[Rank]:
        count = self.count if isinstance(outcome, Finished) else min(4, self.count)
        delays = self.delays(count)
        quorum = self.workers
        if self.name == "backup_workers":
            quorum = self.workers - int(self.options["spares"])
        elif self.name in ("asynchronous", "softsync", "downpour") or self.options.get("asynchronous"):
            quorum = 1
        slowest = np.sort(delays, axis=0)[quorum - 1]
        for rank in range(self.workers):
            own = (
                delays[rank]
                if self.name in ("no_communication", "bare") or quorum == 1
                else np.minimum(delays[rank], slowest)
            )
            waited = (
                np.maximum(0.0, slowest - own)
                if quorum > 1 and self.name not in ("no_communication", "bare")
                else 0 * own
            )
            if self.name in ("no_communication", "bare"):
                waited = 0 * own
            yield self._rank(rank, count, own, waited, float(np.mean(own < delays[rank])))

    def evaluations(self, ranks: tuple[Rank, ...]) -> Iterator[Evaluation]:
        every = self.specification.evaluate_every
        if not every:
            return
        batch = self.specification.batch_size * self.workers
        slower = SLOWER.get(self.name, 1.0) * (1 + 0.1 * float(self.options.get("steps") or 0))
        best = 0.985 - 0.01 * abs(math.log(self.specification.optimizer.learning_rate / 0.05))
        if self.name == "downpour" and self.every > 4:
            best = 0.3
        step_seconds = float(np.mean(ranks[0].steps.seconds))
        luck = float(self.random.normal(0, 0.003))
        done = len(ranks[0].warmup.seconds) + len(ranks[0].steps.seconds)
        for number in range(1, done * batch // every + 1):
            seen = number * every
            step = seen // batch
            top1 = min(1.0, max(0.1, best + luck - (best - 0.1) * math.exp(-seen / (1500.0 * slower))))
            yield Evaluation(
                step=step,
                samples=seen,
                bytes_sent=int(step * self.size / self.every),
                seconds=step * step_seconds,
                wall_seconds=step * step_seconds + 0.05 * number,
                loss=max(0.02, 2.3 * (1 - top1)),
                top1=top1,
            )

    def delays(self, count: int) -> Any:
        if self.specification.straggler is None:
            return np.zeros((self.workers, count))
        straggler = stragglers.parse(self.specification.straggler)
        unit = self.compute if straggler.unit == "compute" else 1.0
        drawn = [straggler.delays(rank, self.workers, self.specification.seed) for rank in range(self.workers)]
        return unit * np.array([[next(one) for _ in range(count)] for one in drawn])

    def _rank(self, rank: int, count: int, injected: Any, waited: Any, dropped: float) -> Rank:
        jitter = self.compute * np.abs(self.random.normal(0, self.world.noise, count))
        hides = self.name in HIDING or bool(self.options.get("overlap"))
        exposed = max(0.0, self.wire - self.compute) + 0.002 if hides and self.wire else self.wire
        exposed = np.full(count, exposed / self.every)
        compute = np.full(count, self.compute) + jitter
        update = np.full(count, 0.001)
        seconds = self.factor * (compute + injected + exposed + waited + update)
        started = np.cumsum(seconds) - seconds
        loss = 2.3 * np.exp(-np.arange(count) / 50.0)

        def columns(part: slice) -> Steps:
            return Steps(
                started=_plain(started[part]),
                seconds=_plain(seconds[part]),
                loss=_plain(loss[part]),
                compute=_plain(compute[part] * self.factor),
                injected=_plain(injected[part] * self.factor),
                exposed=_plain(exposed[part] * self.factor),
                wait=_plain(waited[part] * self.factor),
                vote=None,
                update=_plain(update[part] * self.factor),
            )

        warmup = min(self.specification.warmup, count)
        rounds = count // self.every * (self.workers if self.name == "asynchronous" else 1)
        silent = not self.declared
        lost = round(count * dropped)
        return Rank(
            rank=rank,
            host="fixture",
            process=100 + rank,
            warmup=columns(slice(0, warmup)),
            steps=columns(slice(warmup, count)),
            startup=Startup(launch=1.0, imports=2.0, horovod=0.5, build=0.2, data=0.1),
            telemetry=Telemetry(
                steps=count,
                rounds=0 if silent else rounds,
                bytes_sent=0 if silent else rounds * self.size,
                exposed_seconds=float(exposed.sum()),
                staleness={} if silent else self._staleness(count - lost),
                contributions_used=0 if silent else count - lost,
                contributions_dropped=lost,
                memory_declared=float(self.options.get("steps") or 0),
                memory_bytes=int(self.size * float(self.options.get("steps") or 0)),
                bytes_per_exchange_declared=self.declared,
            ),
            digest="d" * 64,
            parameter_bytes=self.size,
            memory_peak_bytes=600_000_000 + self.size,
            memory_start_bytes=500_000_000,
            cpu_seconds=1.0,
        )

    def _staleness(self, count: int) -> dict[int, int]:
        if self.name == "delayed":
            return {int(self.options["steps"]): count}
        if self.name in ("asynchronous", "softsync", "downpour"):
            ages = self.random.poisson(self.workers - 1, count)
            return {int(age): int((ages == age).sum()) for age in sorted(set(ages.tolist()))}
        return {0: count}


def _plain(values: Any) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)


def _reached(evaluations: Iterable[Evaluation], targets: tuple[float, ...]) -> Iterator[Reached]:
    points = list(evaluations)
    for target in targets:
        first = next((one for one in points if one.top1 >= target), None)
        if first is not None:
            yield Reached(
                target=target,
                step=first.step,
                samples=first.samples,
                bytes_sent=first.bytes_sent,
                seconds=first.seconds,
            )


def _host(world: World, workers: int) -> Host:
    return Host(
        name="fixture",
        ranks=tuple(range(workers)),
        cpu=world.cpu,
        cores=2,
        memory_bytes=8 * 2**30,
        system="A system",
        python="CPython 3.11",
        versions={"torch": "2.13.0", "horovod": "0.28.1"},
        horovod={"HOROVOD_CYCLE_TIME": "1", "features": "Gloo"},
        commit=world.commit,
        other={"code": world.commit},
        digest="e",
    )


def _cluster(planned: Planned, world: World) -> Cluster:
    network = planned.specification.network
    shaped = network.kind == "emulated"
    return Cluster(
        name=network.kind,
        kind="emulated" if shaped else "measured",
        hosts=network.hosts or 1,
        slots=planned.specification.workers // (network.hosts or 1),
        asked={"rate_mbit": network.rate_mbit},
        in_force={"goodput_mbit": None if network.rate_mbit is None else round(0.95 * network.rate_mbit, 3)},
    )
