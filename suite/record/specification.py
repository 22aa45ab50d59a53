"""A run's fully resolved specification: everything that decides what a run does, and nothing else.

Its canonical JSON is hashed into the run's identity, so two runs with one identity did the same thing. Where it came
from (experiment, sweep, repetition) and what it found belong to the record.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1

Kind = Literal["measured", "emulated", "simulated"]
Value = bool | int | float | str | None
Options = dict[str, Value | tuple[Value, ...]]

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]
Interface = Annotated[str, Field(pattern=r"^[^\s/:,]{1,15}$")]  # what Linux takes, less what horovodrun splits at
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Part(BaseModel):
    """A piece of a file: immutable, unknown keys refused, NaN and infinity kept through JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


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


def refuse_what_is_for_hosts(network: BaseModel, kind: str) -> None:
    for name in ("file", "interfaces", "ssh_port", "ssh_identity_file"):
        if getattr(network, name) is not None:
            raise ValueError(f"{name} is for a network of kind 'hosts', not of kind {kind!r}")


class Network(Part):
    """Where the ranks run and what joins them."""

    kind: Literal["local", "hosts", "emulated", "virtual"] = "local"
    hosts: Positive | None = Field(
        default=None, description="emulated: how many hosts; the ranks are spread over them evenly"
    )
    rate_mbit: PositiveNumber | None = None
    delay_ms: NonNegative = 0.0
    loss: Share = 0.0
    preset: str | None = Field(default=None, description="the preset the three numbers came from, if any")
    scale: PositiveNumber | None = Field(default=None, description="the factor the preset's rate was multiplied by")
    file: str | None = Field(default=None, description="hosts: the host file")
    interfaces: tuple[Interface, ...] | None = Field(
        default=None, min_length=1, description="hosts: network interfaces to use, of the same names on every host"
    )
    ssh_port: Port | None = Field(default=None, description="hosts: where the hosts' ssh listens")
    ssh_identity_file: str | None = Field(default=None, description="hosts: the private key for ssh")
    compute_seconds: PositiveNumber | None = Field(
        default=None, description="virtual: what a step computes for, stragglers left out"
    )

    @model_validator(mode="after")
    def _complete(self) -> Network:
        if self.kind != "hosts":
            refuse_what_is_for_hosts(self, self.kind)
        if self.kind == "emulated" and (self.hosts is None or self.rate_mbit is None):
            raise ValueError("an emulated network needs hosts and rate_mbit (or a preset)")
        if self.kind == "hosts" and self.file is None:
            raise ValueError("a network of kind 'hosts' needs file, the host file")
        shaped = self.kind in ("emulated", "virtual")
        if not shaped and (self.rate_mbit is not None or self.delay_ms or self.loss):
            raise ValueError(f"rate_mbit, delay_ms and loss shape an emulated network, not one of kind {self.kind!r}")
        if self.kind == "virtual" and (self.hosts is not None or self.loss or self.compute_seconds is None):
            raise ValueError("a virtual network needs compute_seconds and has neither hosts nor loss")
        if self.kind != "virtual" and self.compute_seconds is not None:
            raise ValueError(f"compute_seconds is for a virtual network, not for one of kind {self.kind!r}")
        return self


def ascending(targets: tuple[float, ...]) -> tuple[float, ...]:
    if list(targets) != sorted(set(targets)):
        raise ValueError(f"targets = {list(targets)}: must ascend, each once")
    return targets


def refuse_targets_without_evaluations(targets: tuple[float, ...], evaluate_every: int) -> None:
    if targets and not evaluate_every:
        raise ValueError("targets need evaluate_every, the samples between evaluations, to be at least 1")


def refuse_uneven_hosts(workers: int, network: Network) -> None:
    if network.hosts is not None and workers % network.hosts:
        raise ValueError(f"workers = {workers}: must be a multiple of the network's {network.hosts} hosts")


class Horovod(Part):
    """Horovod's own settings; None leaves Horovod's default."""

    cycle_time_ms: PositiveNumber | None = None
    fusion_mb: NonNegative | None = None


class Specification(Part):
    schema_version: Literal[1] = 1
    framework: Literal["torch", "tensorflow"]
    model: Model
    algorithm: Algorithm
    data: Data = Data()
    optimizer: Optimizer = Optimizer()
    workers: Positive = 1
    network: Network = Network()
    wire: str | None = Field(default=None, description="form in which numbers travel; None: as they are")
    straggler: str | None = Field(default=None, description="as suite.cluster.stragglers.parse reads it")
    seed: Count = 0
    batch_size: Positive = Field(default=8, description="samples per worker and step")
    steps: Positive = Field(default=20, description="steps that count, per worker")
    warmup: Count = Field(default=3, description="steps before them, timed but kept apart")
    evaluate_every: Count = Field(
        default=0, description="samples, of all workers together, between evaluations; 0: no evaluation at all"
    )
    evaluate_samples: Positive | None = Field(
        default=None, description="held-out samples per evaluation, a fixed random choice; None: all"
    )
    targets: tuple[PositiveNumber, ...] = Field(default=(), description="test accuracies to reach, ascending")
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

    @model_validator(mode="after")
    def _consistent(self) -> Specification:
        ascending(self.targets)
        refuse_targets_without_evaluations(self.targets, self.evaluate_every)
        refuse_uneven_hosts(self.workers, self.network)
        return self

    @property
    def form(self) -> str:
        return self.wire or "none"

    @property
    def replayed(self) -> bool:
        return self.model.replay is not None

    @property
    def kind(self) -> Kind:
        """Emulated: real processes, but over a shaped network or with slept compute. Simulated: virtual time."""
        if self.network.kind == "virtual":
            return "simulated"
        return "emulated" if self.network.kind == "emulated" or self.replayed else "measured"

    def canonical(self) -> str:
        """One text per meaning: keys sorted, nothing that is None, so that a later optional field moves no identity."""
        return json.dumps(_without_none(self.model_dump(mode="json")), sort_keys=True, separators=(",", ":"))

    @property
    def identity(self) -> str:
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def describe_network(network: Network, workers: int) -> str:
    """`local`, `hosts:FILE over CARD`, or the shape of an emulated network, with hosts only if not one per worker."""
    if network.kind == "local":
        return "local"
    if network.kind == "hosts":
        over = f" over {', '.join(network.interfaces)}" if network.interfaces else ""
        return f"hosts:{network.file}{over}"
    if network.kind == "virtual":
        wire = network.preset or (f"{network.rate_mbit:g} Mbit/s" if network.rate_mbit else "instant")
        return f"virtual {wire}" + (f", {network.delay_ms:g} ms" if network.delay_ms else "")
    if network.preset is not None and network.scale is not None:
        text = f"{network.preset} x {Fraction(network.scale).limit_denominator(1000)}"
    else:
        text = f"{network.rate_mbit:g} Mbit/s"
    if network.delay_ms:
        text += f", {network.delay_ms:g} ms"
    if network.loss:
        text += f", {network.loss:.3%} loss"
    return text if network.hosts == workers else f"{network.hosts} hosts, {text}"


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
