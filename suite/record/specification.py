"""A run's fully resolved specification: everything that decides what a run does, and nothing else.

Its canonical JSON is hashed into the run's identity, so two runs with one identity did the same thing. Where it came
from (experiment, sweep, repetition) and what it found belong to the record.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from suite.cluster.kinds import Recorded
from suite.cluster.local import LocalNetwork
from suite.record.faults import Fault, parse
from suite.record.part import Count, Kind, NonNegative, Options, Part, Positive, PositiveNumber, Share

SCHEMA_VERSION = 1


class Replay(Part):
    """Compute is slept, not done: layer times from a profile, parameters of real size, both changed by stated factors."""

    profile: str
    digest: str = Field(description="sha256 of the profile's content: another profile is another run")
    size: PositiveNumber = 1.0
    time: PositiveNumber = 1.0
    forward: NonNegative | None = Field(default=None, description="seconds of all layers, in place of `time`")
    backward: NonNegative | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Replay:
        if (self.forward is None) != (self.backward is None):
            raise ValueError("replay: forward and backward are given together or not at all")
        if self.forward is not None and self.time != 1.0:
            raise ValueError("replay: time scales the recorded seconds, forward and backward replace them; keep one")
        return self


class Model(Part):
    name: str
    image: Positive | None = None
    width: PositiveNumber = 1.0
    classes: Positive | None = None
    options: Options = Field(default_factory=dict)
    replay: Replay | None = None


class Data(Part):
    name: str = "synthetic"
    folder: str | None = None
    options: Options = Field(default_factory=dict)


class Algorithm(Part):
    """A name from `algorithms.CATALOGUE` or `suite.experiment.controls`, with every option filled in."""

    name: str
    options: Options = Field(default_factory=dict)


class Schedule(Part):
    """How the learning rate moves with the step number: a rule of `suite.training.learning_rates` and its options."""

    rule: str = "constant"
    options: Options = Field(default_factory=dict)


class Optimizer(Part):
    name: Literal["sgd", "adam", "adamw", "rmsprop"] = "sgd"
    learning_rate: PositiveNumber = 0.01
    momentum: Share = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0
    schedule: Schedule = Schedule()
    options: Options = Field(default_factory=dict)


def _ascending(targets: tuple[float, ...]) -> tuple[float, ...]:
    if list(targets) != sorted(set(targets)):
        raise ValueError(f"targets = {list(targets)}: must ascend, each once")
    return targets


def refuse_targets_without_evaluations(targets: tuple[float, ...], evaluate_every: int) -> None:
    if targets and not evaluate_every:
        raise ValueError("targets need evaluate_every, the samples between evaluations, to be at least 1")


class Horovod(Part):
    """Horovod's own settings; None leaves Horovod's default."""

    cycle_time_ms: PositiveNumber | None = None
    fusion_mb: NonNegative | None = None


class Settings(Part):
    """What is set for all runs of an experiment alike, and means the same in the specification of each."""

    steps: Positive = Field(default=20, description="steps that count, per worker")
    warmup: Count = Field(default=3, description="steps before them, timed but kept apart")
    evaluate_every: Count = Field(
        default=0, description="samples, of all workers together, between evaluations; 0: no evaluation at all"
    )
    evaluate_samples: Positive | None = Field(
        default=None, description="held-out samples per evaluation, a fixed random choice; None: all"
    )
    targets: Annotated[tuple[PositiveNumber, ...], AfterValidator(_ascending)] = Field(
        default=(), description="test accuracies to reach, ascending"
    )
    stop_at_target: bool = Field(default=False, description="end the run once the last target is reached")
    steps_per_execution: Positive = Field(default=1, description="TensorFlow: steps unrolled in one traced function")
    agreement_every: Count = Field(
        default=0, description="steps between checks that replicas agree; 0 means only at the end"
    )
    device: Literal["cpu", "gpu"] = "cpu"
    threads: Positive = Field(default=1, description="compute threads per rank")
    horovod: Horovod = Horovod()
    measure_memory: Literal[True] | None = Field(
        default=None, description="give freed memory back at once, so that what is resident is what is held; slower"
    )


class Specification(Settings):
    schema_version: Literal[1] = 1
    framework: Literal["torch", "tensorflow"]
    model: Model
    algorithm: Algorithm
    data: Data = Data()
    optimizer: Optimizer = Optimizer()
    workers: Positive = 1
    network: Recorded = LocalNetwork()
    wire: str | None = Field(default=None, description="form in which numbers travel; None: as they are")
    straggler: str | None = Field(default=None, description="as suite.cluster.stragglers.parse reads it")
    faults: str | None = Field(default=None, description="as suite.record.faults.parse reads it")
    seed: Count = 0
    batch_size: Positive = Field(default=8, description="samples per worker and step")

    @model_validator(mode="after")
    def _consistent(self) -> Specification:
        refuse_targets_without_evaluations(self.targets, self.evaluate_every)
        self.network.check(self.workers)
        return self

    @property
    def fault(self) -> Fault | None:
        return None if self.faults is None else parse(self.faults)

    @property
    def form(self) -> str:
        return self.wire or "none"

    @property
    def replayed(self) -> bool:
        return self.model.replay is not None

    @property
    def kind(self) -> Kind:
        """Emulated: real processes, but over a shaped network or with slept compute. Simulated: virtual time."""
        evidence = self.network.evidence
        return "emulated" if evidence == "measured" and self.replayed else evidence

    def canonical(self) -> str:
        """One text per meaning: keys sorted, nothing that is None, so that a later optional field moves no identity."""
        return json.dumps(_without_none(self.model_dump(mode="json")), sort_keys=True, separators=(",", ":"))

    @property
    def identity(self) -> str:
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
