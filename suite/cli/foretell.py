"""From the options of `farandole predict` to predictions, with every mistake said in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

import algorithms
from suite import models
from suite.cli.errors import BadInputError, input_errors
from suite.cli.options import one_of, settings
from suite.models import profile
from suite.simulate import Calibration, Machines, Prediction, Workload, predict, tables

if TYPE_CHECKING:
    from algorithms.contract import Algorithm

LATENCY_US = 30.0  # of a hop through TCP and a switch, where nobody says how long it takes


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was written on the command line."""

    model: str | None
    compute: str | None
    tensors: Path | None
    algorithms: Sequence[str]
    options: Sequence[str]
    workers: int
    per_host: int
    gbit: float
    latency_us: float | None
    message_us: float
    contention: float
    jitter: float
    straggler: str
    wire: str
    plan: str | None
    batch_size: int | None
    calibration: Path | None
    steps: int
    seed: int

    @property
    def several(self) -> bool:
        return len(self.algorithms) > 1 or self.algorithms == ("all",)


@dataclass(frozen=True)
class Foretold:
    workload: Workload
    machines: Machines
    predictions: tuple[Prediction, ...]
    notes: tuple[str, ...]


def foretell(asked: Asked) -> Foretold:
    """All algorithms that were asked for."""
    with input_errors():
        workload = workload_of(asked.model, asked.compute, asked.tensors, asked.batch_size)
        calibration = None if asked.calibration is None else Calibration.read(asked.calibration)
        machines = Machines(
            workers=asked.workers,
            per_host=asked.per_host,
            gbit=asked.gbit,
            latency_us=hop(asked.latency_us, calibration),
            message_us=asked.message_us,
            contention=asked.contention,
            jitter=asked.jitter,
            stragglers=asked.straggler,
            calibration=calibration,
        )
        notes = [doubled] if (doubled := tables.doubled(workload)) and asked.tensors is not None else []
        predictions = []
        for one in chosen(asked.algorithms, asked.options):
            try:
                predictions.append(
                    predict(
                        workload, machines, one, wire=asked.wire, steps=asked.steps, seed=asked.seed, plan=asked.plan
                    )
                )
            except ValueError as error:
                if asked.algorithms != ("all",):
                    raise
                notes.append(f"{one.name} is left out: {error}")
    notes += [f"fitted: {line}" for line in (calibration.fitted() if calibration is not None else ())]
    warnings = dict.fromkeys(warning for one in predictions for warning in one.warnings)
    return Foretold(workload, machines, tuple(predictions), tuple(f"note: {note}" for note in [*notes, *warnings]))


def hop(asked: float | None, calibration: Calibration | None) -> float:
    """Microseconds of a hop between hosts: as asked for, else as usual. A calibration has its hops' own in it already."""
    if asked is not None:
        return asked
    return LATENCY_US if calibration is None else 0.0


def workload_of(model: str | None, compute: str | None, tensors: Path | None, batch: int | None) -> Workload:
    """The net and how long it computes."""
    seconds = _seconds(compute)
    if tensors is not None:
        if model is not None:
            raise ValueError(f"--tensors {tensors} and --model {model}: one net at a time")
        if compute is not None and seconds is None:
            raise ValueError(f"--compute {compute}: with --tensors it is seconds of a whole step")
        return tables.read(tensors, step_seconds=seconds, batch=batch or 1)
    if compute is not None and seconds is None:
        found = profile.find(compute)
        if model is not None and found.model != model:
            raise ValueError(f"--compute {compute}: profile is of model {found.model!r}, not of {model!r}")
    elif model is None:
        raise ValueError(
            "--model is missing: a net with a shipped profile; or --compute PROFILE, or --tensors FILE.csv"
        )
    elif seconds is not None and not _has_profile(model):
        one_of("model", model, models.NAMES)
        return Workload.from_net(models.describe(model), step_seconds=seconds, batch=batch or 1)
    else:
        found = _shipped(model)
    workload = Workload.from_profile(found, step_seconds=seconds)
    if batch is not None:
        if compute is None or seconds is None:
            workload = workload.lasting(workload.step_seconds * batch / workload.batch)
        workload = Workload(layers=workload.layers, batch=batch, name=workload.name, source=workload.source)
    return workload


def _seconds(compute: str | None) -> float | None:
    try:
        return None if compute is None else float(compute)
    except ValueError:
        return None


def _has_profile(model: str) -> bool:
    return any(model in (name, name.partition("-")[0]) for name in profile.shipped())


def _shipped(model: str) -> profile.Profile:
    names = profile.shipped()
    if model in names:
        return profile.find(model)
    nets = {name.partition("-")[0]: name for name in names if "-torch-" in name}
    one_of("model with a shipped profile", model, nets)
    return profile.find(nets[model])


def chosen(names: Sequence[str], options: Sequence[str]) -> list[Algorithm]:
    """`delayed`, `delayed:steps=2` or all; `options` are for the one that is named."""
    from suite.experiment.axes import AlgorithmChoice

    known = [name for name, kind in algorithms.CATALOGUE.items() if not kind.virtual_only]
    if tuple(names) == ("all",):
        if options:
            raise BadInputError("--set is for one algorithm; with all, say --algorithm NAME:key=value")
        names = known
    if options and len(names) > 1:
        raise BadInputError("--set is for one algorithm; of several, say --algorithm NAME:key=value")
    made: list[Algorithm] = []
    for text in names:
        name, _, given = text.partition(":")
        one_of("algorithm", name, known)
        written = settings([*filter(None, given.split(",")), *options], "--set")
        made.append(AlgorithmChoice(name=name, options=dict(written)).made)
    return made


def table(found: Foretold) -> Table:
    """The fastest first."""
    machines, workload = found.machines, found.workload
    title = (
        f"Simulated: {workload.name}, {workload.step_seconds:.4g} s a step, {workload.parameter_bytes / 1e6:.4g} MB; "
        f"{machines.workers} workers on {machines.hosts} hosts, {machines.gbit:g} Gbit/s, {machines.latency_us:g} us a hop"
    )
    columns = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    columns.add_column("algorithm", no_wrap=True)
    for name in ("step, s", "90 % interval", "typical, s", "samples/s", "network adds, s", "staleness", "MB a step"):
        columns.add_column(name, justify="right")
    for one in sorted(found.predictions, key=lambda one: -one.samples_per_second):
        step = one.step_seconds
        columns.add_row(
            one.algorithm,
            f"{step.mean:.4g}",
            f"{step.low:.4g} - {step.high:.4g}",
            f"{step.typical:.4g}",
            f"{one.samples_per_second:.4g}",
            f"{one.exposed_seconds:.3g}",
            f"{one.staleness:.3g}",
            f"{one.bytes_per_step / 1e6:.4g}",
        )
    return columns
