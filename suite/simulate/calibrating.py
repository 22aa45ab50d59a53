"""From records of training on few workers to a calibration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from suite.cluster.fingerprint import commit
from suite.record.schema import Record
from suite.report.timing import useful_seconds
from suite.simulate.calibration import Calibration, Missed, Reach, Values, wire_seconds
from suite.simulate.fitting import Unknown, fit
from suite.simulate.recorded import CannotTellError, Run, cores_of, kind_of, label_of, run_of

# What is expected of Horovod's Gloo on today's processors, and held where the records do not tell.
UNKNOWNS: dict[str, Unknown] = {
    "overhead_ms": Unknown(2.0),
    "update_s_per_gb": Unknown(0.2),
    "tensor_us": Unknown(30.0),
    "negotiation_us": Unknown(30.0),
    "rate_share": Unknown(0.93, most=1.0),
    "contention": Unknown(0.1),
    "handling_s_per_gb": Unknown(0.3),
    "hop_us": Unknown(50.0),
    "message_us": Unknown(300.0),
    "agreement_us": Unknown(10000.0),
    "vote_us": Unknown(1000.0),
}
LEAST = 3  # runs


@dataclass(frozen=True)
class Choice:
    """Which records are fitted; None: all."""

    experiments: tuple[str, ...] = ()
    most_workers: int | None = None
    most_hosts: int | None = None
    rates_mbit: tuple[float, ...] = ()
    frameworks: tuple[str, ...] = ()

    def takes(self, record: Record) -> bool:
        specified = record.specification
        network = specified.network
        return (
            (not self.experiments or record.experiment in self.experiments)
            and (self.most_workers is None or specified.workers <= self.most_workers)
            and (self.most_hosts is None or (network.hosts or 1) <= self.most_hosts)
            and (not self.rates_mbit or network.rate_mbit in self.rates_mbit)
            and (not self.frameworks or specified.framework in self.frameworks)
        )

    def __str__(self) -> str:
        parts = [f"at most {self.most_workers} workers"] if self.most_workers is not None else []
        parts += [f"at most {self.most_hosts} hosts"] if self.most_hosts is not None else []
        parts += [f"{rate:g} Mbit/s" for rate in self.rates_mbit]
        return ", ".join([*parts, *self.frameworks]) or "all"


@dataclass
class Chosen:
    """Specifications that are fitted with the mean of their runs, and why others are not."""

    runs: dict[str, tuple[str, Run, float]] = field(default_factory=dict)  # by identity: label, run, seconds
    kinds: dict[str, str] = field(default_factory=dict)  # by identity
    experiments: set[str] = field(default_factory=set)
    frameworks: set[str] = field(default_factory=set)
    left_out: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def choose(records: Iterable[Record], choice: Choice) -> Chosen:
    chosen = Chosen()
    seconds: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if not choice.takes(record):
            continue
        try:
            run = run_of(record.specification, cores=cores_of(record))
        except CannotTellError as error:
            chosen.left_out[str(error)] += 1
            continue
        took = useful_seconds(record)
        if took is None:
            chosen.left_out["failed, or too short to have a step of all its ranks"] += 1
            continue
        seconds[record.identity].append(took)
        mean = float(np.exp(np.mean(np.log(seconds[record.identity]))))
        chosen.runs[record.identity] = (label_of(record.specification), run, mean)
        chosen.kinds[record.identity] = kind_of(record.specification)
        chosen.experiments.add(record.experiment)
        chosen.frameworks.add(record.specification.framework)
    return chosen


def calibrate(records: Iterable[Record], choice: Choice) -> tuple[Calibration, dict[str, int]]:
    """The calibration, and how many records were left out for which reason."""
    chosen = choose(records, choice)
    if len(chosen.runs) < LEAST:
        reasons = "; ".join(f"{count}: {why}" for why, count in chosen.left_out.items())
        raise ValueError(
            f"{len(chosen.runs)} kinds of runs to fit ({choice}): at least {LEAST}"
            + (f"; left out {reasons}" if reasons else "")
        )
    runs = list(chosen.runs.items())
    reach = _reach([run for _, (_, run, _) in runs], chosen.frameworks)
    names = ", ".join(sorted(chosen.experiments))
    blank = Calibration(
        commit=commit(),
        records=(f"{names} ({choice})",),
        runs=(),
        reach=reach,
        values=Values(**{name: unknown.expected for name, unknown in UNKNOWNS.items()}),
        left_out=sum(chosen.left_out.values()),
    )
    votes = any(_votes(run) for _, (_, run, _) in runs)
    unknowns = {name: unknown for name, unknown in UNKNOWNS.items() if votes or name != "vote_us"}

    def model(values: Mapping[str, float]) -> Sequence[float]:
        tried = _with(blank, values)
        return [simulated(run, tried) for _, (_, run, _) in runs]

    values = fit(unknowns, [seconds for _, (_, _, seconds) in runs], model)
    fitted = _with(blank, values)
    missed = tuple(
        Missed(
            identity=identity,
            label=label,
            observed=seconds,
            simulated=simulated(run, fitted),
            kind=chosen.kinds[identity],
            wire=wire_seconds(run.workload, run.machines),
        )
        for identity, (label, run, seconds) in runs
    )
    return fitted.model_copy(update={"runs": missed}), dict(chosen.left_out)


def simulated(run: Run, calibration: Calibration) -> float:
    """Seconds of a step's worth of work that is used, with the very delays that the run's seed gives its stragglers."""
    return run.seconds(replace(run.machines, calibration=calibration))


def _with(blank: Calibration, values: Mapping[str, float]) -> Calibration:
    known = {name: max(float(value), 1e-9) for name, value in values.items()}
    return blank.model_copy(update={"values": blank.values.model_copy(update=known)})


def _votes(run: Run) -> bool:
    quorum = getattr(run.algorithm, "quorum", None)
    return quorum is not None and quorum(run.machines.workers) < run.machines.workers


def _reach(runs: Sequence[Run], frameworks: Iterable[str]) -> Reach:
    workers = [run.machines.workers for run in runs]
    rates = [run.machines.gbit for run in runs]
    sizes = [run.workload.parameter_bytes / 1e6 for run in runs]
    return Reach(
        workers=(min(workers), max(workers)),
        gbit=(min(rates), max(rates)),
        megabytes=(min(sizes), max(sizes)),
        framework=tuple(sorted(frameworks)),
        cores=min((run.machines.shared_cores for run in runs if run.machines.shared_cores), default=None),
    )
