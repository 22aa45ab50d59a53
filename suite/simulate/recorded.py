"""A run of an experiment as the simulation sees it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

import algorithms
from algorithms import LayerWise
from algorithms.contract import Algorithm
from suite.experiment.live import Live
from suite.record.schema import Record
from suite.record.specification import Specification
from suite.simulate import wires
from suite.simulate.calibration import Calibration
from suite.simulate.machines import Machines
from suite.simulate.predicting import simulate
from suite.simulate.workload import Workload


class CannotTellError(ValueError):
    """Why nothing can be said of a run."""


@dataclass(frozen=True)
class Run:
    """What `predict` takes."""

    workload: Workload
    machines: Machines
    algorithm: Algorithm
    wire: str
    seed: int
    steps: int
    warmup: int = 0

    def seconds(self, machines: Machines) -> float:
        """Of a step's worth of work that is used, with the very delays that the seed gives to the stragglers."""
        course = simulate(
            self.workload,
            machines,
            self.algorithm,
            wires.named(self.wire),
            self.steps,
            self.seed,
            settling=self.warmup,
        )
        return float(np.mean(course.steps)) / course.useful


def run_of(specification: Specification, *, cores: int | None = None, calibration: Calibration | None = None) -> Run:
    """`cores`: of the machine that all emulated hosts run on."""
    name = specification.algorithm.name
    if name not in algorithms.CATALOGUE:
        raise CannotTellError(f"{name} is a control of the harness, none of the algorithms that are simulated")
    if not specification.replayed:
        raise CannotTellError("its computing is real: how long that takes here is not known beforehand")
    network = specification.network
    if network.rate_mbit is None or network.hosts is None:
        raise CannotTellError(f"nobody knows the rate of a network of kind {network.kind!r}")
    if network.loss:
        raise CannotTellError(f"its network loses {network.loss:.3%} of the packets, which is not simulated")
    if specification.steps_per_execution > 1:
        raise CannotTellError("its steps are unrolled in one traced function, which is not simulated")
    live = Live(specification)
    assert live.profile is not None
    workload = Workload.from_profile(live.profile)
    machines = Machines(
        workers=specification.workers,
        per_host=-(-specification.workers // network.hosts),
        gbit=network.rate_mbit / 1000,
        latency_us=network.delay_ms * 1000,
        stragglers=specification.straggler,
        cycle_ms=specification.horovod.cycle_time_ms or 1.0,
        fusion_mb=128.0 if specification.horovod.fusion_mb is None else specification.horovod.fusion_mb,
        shared_cores=cores,
        calibration=calibration,
    )
    batch = specification.batch_size
    return Run(
        workload=Workload(layers=workload.layers, batch=batch, name=workload.name, source=workload.source),
        machines=machines,
        algorithm=_carried_out(live.algorithm, specification.framework),
        wire=specification.form,
        seed=specification.seed,
        steps=specification.steps,
        warmup=specification.warmup,
    )


def _carried_out(algorithm: Algorithm, framework: str) -> Algorithm:
    """A step of TensorFlow's is over when its averages have landed: nothing of it is left for the next forward."""
    if framework == "tensorflow" and algorithm == LayerWise(order="forward"):
        return LayerWise(order="completion")
    return algorithm


def cores_of(record: Record) -> int | None:
    """Of the one machine that the hosts of an emulated network are on."""
    return min((host.cores for host in record.hosts), default=None)


def kind_of(specification: Specification) -> str:
    """The same for runs that differ in workers, hosts, network, seed and length alone."""
    model, algorithm = specification.model.model_dump_json(), specification.algorithm.model_dump_json()
    fixed = (specification.framework, model, algorithm, specification.form, specification.straggler)
    return hashlib.sha256(repr((*fixed, specification.batch_size)).encode()).hexdigest()[:12]


def label_of(specification: Specification) -> str:
    """On one line."""
    options = ",".join(f"{key}={value}" for key, value in sorted(specification.algorithm.options.items()))
    network = specification.network
    straggler = f", {specification.straggler}" if specification.straggler else ""
    form = "" if specification.form == "none" else f", as {specification.form}"
    return (
        f"{specification.framework} {specification.model.name} {specification.algorithm.name}({options}) "
        f"n={specification.workers} on {network.hosts} hosts, {network.rate_mbit or 0:g} Mbit/s{straggler}{form}"
    )
