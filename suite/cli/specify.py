"""From the options of `farandole train` to a run's specification, with every mistake said in one line."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import algorithms
from suite.cli.errors import input_errors
from suite.cli.options import one_of, settings
from suite.cluster.local import LocalNetwork
from suite.cluster.virtual import VirtualNetwork
from suite.data import NAMES as DATA_NAMES
from suite.experiment import choices
from suite.experiment.axes import AlgorithmChoice
from suite.experiment.networks import resolve_straggler, step_seconds
from suite.models import NAMES as MODEL_NAMES
from suite.record.part import Options
from suite.record.specification import Data, Model, Optimizer, Replay, Specification

FRAMEWORKS = ("torch", "tensorflow")
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
DEVICES = ("cpu", "gpu")
WARMUP = 5  # exchanges that overlap are planned in the fourth step; in virtual time nothing has to warm up


@dataclass(frozen=True, kw_only=True)
class Virtual:
    """Workers in virtual time: how long a step computes (None: at a stated speed), and what joins them."""

    compute: float | None
    gbit: float
    latency_us: float

    def network(self, model: Model, batch_size: int) -> VirtualNetwork:
        return VirtualNetwork(
            rate_mbit=None if math.isinf(self.gbit) else self.gbit * 1000,
            delay_ms=self.latency_us / 1000,
            compute_seconds=step_seconds(model, batch_size) if self.compute is None else self.compute,
        )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was written on the command line."""

    framework: str
    model: str
    algorithm: str
    options: Sequence[str] = ()
    model_options: Sequence[str] = ()
    image: int | None = None
    width: float = 1.0
    classes: int | None = None
    replay: str | None = None
    data: str = "synthetic"
    data_folder: str | None = None
    data_options: Sequence[str] = ()
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = 8
    steps: int = 20
    warmup: int | None = None
    evaluate_every: int = 0
    evaluate_samples: int | None = None
    targets: Sequence[float] = ()
    wire: str = "none"
    straggler: str = "none"
    steps_per_execution: int = 1
    agreement_every: int = 0
    device: str = "cpu"
    threads: int = 1
    seed: int = 0
    virtual: Virtual | None = None


def ranks_of_this_job() -> int:
    """How many ranks a launcher has started; 1 where there is none."""
    names = ("HOROVOD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")
    return next((int(os.environ[name]) for name in names if name in os.environ), 1)


def specification(wanted: Wanted, workers: int) -> Specification:
    """The run, resolved and checked."""
    one_of("framework", wanted.framework, FRAMEWORKS)
    one_of("model", wanted.model, MODEL_NAMES)
    one_of("data set", wanted.data, DATA_NAMES)
    one_of("optimizer", wanted.optimizer, OPTIMIZERS)
    one_of("device", wanted.device, DEVICES)
    with input_errors():
        chosen = AlgorithmChoice(name=wanted.algorithm, options=_options(wanted.options, "--set"))
        if wanted.virtual is None and wanted.algorithm not in choices.algorithm_names(wanted.framework):
            if wanted.algorithm in algorithms.CATALOGUE:
                choices.check_runs_on(wanted.algorithm, wanted.framework)
            raise ValueError(f"algorithm {wanted.algorithm!r} does not run on {wanted.framework}")
        chosen.made.check(workers)
        choices.refuse_unfit_form(wanted.wire, chosen.made, workers)
        straggler = resolve_straggler(wanted.straggler, workers)
        model = choices.resolve_model(_model(wanted), wanted.data)
        if wanted.replay is not None:
            name = wanted.replay.replace("{framework}", wanted.framework)
            model = choices.resolve_replay(model, Replay(profile=name, digest=choices.profile_digest(name)))
        data = Data(name=wanted.data, folder=wanted.data_folder, options=_options(wanted.data_options, "--data-set"))
        return Specification(
            framework=wanted.framework,  # type: ignore[arg-type]  # one of FRAMEWORKS
            model=model,
            algorithm=choices.written_out(chosen.made),
            data=choices.resolve_data(data, model),
            optimizer=Optimizer(
                name=wanted.optimizer,  # type: ignore[arg-type]  # one of OPTIMIZERS
                learning_rate=wanted.learning_rate,
                momentum=wanted.momentum,
                weight_decay=wanted.weight_decay,
            ),
            workers=workers,
            wire=None if wanted.wire == "none" else wanted.wire,
            network=LocalNetwork() if wanted.virtual is None else wanted.virtual.network(model, wanted.batch_size),
            straggler=straggler,
            seed=wanted.seed,
            batch_size=wanted.batch_size,
            steps=wanted.steps,
            warmup=(WARMUP if wanted.virtual is None else 0) if wanted.warmup is None else wanted.warmup,
            evaluate_every=wanted.evaluate_every,
            evaluate_samples=wanted.evaluate_samples,
            targets=tuple(wanted.targets),
            steps_per_execution=wanted.steps_per_execution,
            agreement_every=wanted.agreement_every,
            device=wanted.device,  # type: ignore[arg-type]  # one of DEVICES
            threads=wanted.threads,
        )


def _model(wanted: Wanted) -> Model:
    return Model(
        name=wanted.model,
        image=wanted.image,
        width=wanted.width,
        classes=wanted.classes,
        options=_options(wanted.model_options, "--model-set"),
    )


def _options(texts: Sequence[str], option: str) -> Options:
    return dict(settings(texts, option))
