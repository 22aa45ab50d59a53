"""The schema of a record: everything one run left behind, raw. Means, medians and speed-ups are recomputed by readers.

One JSON file per run, created once. Times are seconds; clocks are monotonic; every rank's `started` counts from a
moment that all ranks left together, so ranks can be laid side by side.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from suite.record.axes import AXES, Labels
from suite.record.part import Count, Kind, Part, Positive
from suite.record.specification import Specification

SCHEMA_VERSION = 1

Seconds = tuple[float, ...]


class Steps(Part):
    """Columns of equal length, one entry per step of one rank.

    The parts (`PARTS`) make up `seconds` where all are known; one that the run could not tell apart is None, never zero.
    """

    started: Seconds = ()
    seconds: Seconds = ()
    loss: tuple[float, ...] = ()
    compute: Seconds | None = Field(default=None, description="with the update, where that is not known")
    injected: Seconds | None = Field(default=None, description="straggler delay as it really took place")
    exposed: Seconds | None = Field(default=None, description="time the step stood still for bytes on the wire")
    wait: Seconds | None = Field(
        default=None, description="time the step stood still because another rank was not ready"
    )
    vote: Seconds | None = Field(default=None, description="time the step stood still for votes on who takes part")
    update: Seconds | None = None

    @model_validator(mode="after")
    def _equal_columns(self) -> Steps:
        for name in ("started", "loss", *PARTS):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.seconds):
                raise ValueError(f"column {name} has {len(column)} entries, seconds has {len(self.seconds)}")
        return self


# What the time of a step is made of: the columns that may be unknown.
PARTS = tuple(name for name, field in Steps.model_fields.items() if field.default is None)


class Startup(Part):
    """From the launch command to the first step, in the order in which it happens."""

    launch: float = Field(
        description="launch command to the first line of our code on this rank; NaN over unsynchronised hosts"
    )
    imports: float
    horovod: float = Field(description="hvd.init()")
    build: float = Field(description="model, optimizer, wrapper, broadcast")
    data: float


class Telemetry(Part):
    """What the algorithm's wrapper counted on one rank, warm-up included (as `algorithms.mechanisms.telemetry`).

    It is made anew whenever workers have changed, and counts from then.
    """

    steps: Count = 0
    rounds: Count = Field(default=0, description="exchanges of a gradient, or rounds closed")
    bytes_sent: Count = Field(
        default=0, description="payload this rank handed to Horovod; of a virtual worker: what a ring sends of it"
    )
    exposed_seconds: float = Field(default=0.0, description="the training thread stood still for an exchange")
    exposed_vote_seconds: float | None = Field(
        default=None, description="of these, votes were taken; None: nobody votes"
    )
    vote_seconds: float = Field(default=0.0, description="a helper spent on votes, beside the training thread")
    payload_seconds: float = Field(default=0.0, description="a helper spent on payloads, beside the training thread")
    staleness: dict[int, int] = Field(default_factory=dict, description="rounds old -> gradients applied at that age")
    contributions_used: Count = 0
    contributions_dropped: Count = 0
    contributions_given_up: Count = Field(
        default=0, description="not even computed to the end, because they could only have been dropped"
    )
    memory_declared: float | None = Field(default=None, description="extra memory declared, in parameter copies")
    memory_bytes: Count | None = Field(default=None, description="extra memory held by the wrapper at the end")
    bytes_per_exchange_declared: float | None = None
    bytes_per_exchange: Count = Field(
        default=0, description="as the form of what travels declares it for everything once; 0: nobody says"
    )
    other: dict[str, JsonValue] = Field(default_factory=dict, description="counters that have no field of their own")

    @property
    def contributions_lost(self) -> int:
        """Steps of which nothing came."""
        return self.contributions_dropped + self.contributions_given_up


class Evaluation(Part):
    """Held-out loss and accuracy of the parameters the algorithm evaluates, at one moment of the run."""

    step: Count
    samples: Count = Field(description="samples seen by all ranks together")
    bytes_sent: Count = Field(description="by the evaluating rank, since the start")
    seconds: float = Field(description="training time so far, evaluations left out")
    wall_seconds: float
    loss: float
    top1: float
    top5: float | None = None


class Reached(Part):
    """The first evaluation at or above a target accuracy; a target that was never reached has no entry."""

    target: float
    step: Count
    samples: Count
    bytes_sent: Count
    seconds: float


class Surroundings(Part):
    """What happened around one rank while it trained (`suite.disturbance`): columns of equal length, a row per look.

    Seconds are counted from the first look; the columns of the whole machine are on its first rank alone.
    """

    moments: Seconds
    own: Seconds = Field(description="CPU time of this process")
    late: Seconds = Field(description="by which a sleep took longer than asked")
    idle: Seconds = Field(default=(), description="of all cores together")
    interrupts: Seconds = Field(default=(), description="of all cores, for devices and networks")
    stolen: Seconds = Field(default=(), description="of all cores, by the machine below")
    stalled: Seconds = Field(default=(), description="somebody was ready to run and could not")
    work: Seconds = Field(default=(), description="CPU time of the same small piece of work, each time")
    pieces: Positive = Field(default=1, description="the work is cut into; the fastest stands for all of them")
    switches: Count = Field(default=0, description="away from this process though it would have gone on")
    cores: Positive = 1
    machine: str = ""

    @model_validator(mode="after")
    def _equal_columns(self) -> Surroundings:
        for name in ("own", "late", "idle", "interrupts", "stolen", "stalled", "work"):
            if len(getattr(self, name)) not in (len(self.moments), 0):
                raise ValueError(f"column {name} has {len(getattr(self, name))} entries, moments {len(self.moments)}")
        return self


class Recovery(Part):
    """A change of the workers as one of them saw it; moments are seconds since training began."""

    lost: bool = Field(description="another worker was lost; else hosts came or went by announcement")
    noticed: float = Field(description="training stopped here")
    resumed: float = Field(description="all had met again")
    before: Positive
    workers: Positive
    newcomers: Count
    samples_lost: Count = Field(description="that this worker had drawn and not committed")


class Happened(Part):
    """A fault, on the rank that carried it out."""

    seconds: float = Field(description="since training began")
    samples_lost: Count = Field(description="that went with it")


class Rank(Part):
    rank: Count = Field(description="of a run with a fault: with which it began")
    host: str
    process: int
    warmup: Steps = Steps()
    steps: Steps = Steps()
    startup: Startup | None = None
    telemetry: Telemetry | None = None
    digest: str | None = Field(default=None, description="sha256 over the parameters one evaluates, by name")
    own_digest: str | None = Field(
        default=None, description="the same over this rank's own copy, where it differs from the centre"
    )
    parameter_bytes: Count | None = None
    memory_peak_bytes: Count | None = Field(default=None, description="the most that was ever resident")
    memory_steady_bytes: Count | None = Field(default=None, description="the most over the steps that count")
    device_peak_bytes: Count | None = Field(default=None, description="the same of tensors on this rank's GPU")
    memory_start_bytes: Count | None = Field(default=None, description="resident before the model was built")
    cpu_seconds: float | None = Field(default=None, description="CPU time of the process over the steps that count")
    interface_bytes: Count | None = Field(
        default=None, description="sent by this rank's host while it trained, loopback left out, whoever sent them"
    )
    data_wait_seconds: float | None = Field(
        default=None, description="between the steps that count, for batches that were not read ahead in time"
    )
    injected_asked: Seconds | None = Field(default=None, description="straggler delays asked for, per counting step")
    surroundings: Surroundings | None = None
    happened: Happened | None = Field(default=None, description="a fault of the specification, here")
    recoveries: tuple[Recovery, ...] = ()
    complete: bool = Field(default=True, description="False: the rank's file ends before the run did")


# Where a trace goes is no part of what a run ran on.
NOT_ENVIRONMENT = frozenset({"HOROVOD_TIMELINE"})
OWN_NAME = frozenset({"name", "ranks", "network", "commit", "digest"})


class Host(Part):
    """Fingerprint of one host as the ranks on it saw it."""

    name: str
    ranks: tuple[int, ...]
    cpu: str
    cores: Positive
    memory_bytes: Count
    gpus: tuple[str, ...] = ()
    system: str = ""
    network: tuple[str, ...] = Field(default=(), description="interfaces with their speeds, as far as the system tells")
    python: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    horovod: dict[str, str] = Field(
        default_factory=dict, description="controllers and operations built in; cycle and fusion settings in force"
    )
    commit: str | None = Field(
        default=None, description="git commit of this project, '+' at the end if files were changed"
    )
    other: dict[str, str] = Field(default_factory=dict)
    digest: str = Field(description="over what this host said of itself, as it said it")

    @property
    def environment(self) -> str:
        """Equal for hosts of runs that may be averaged together: all that they say of themselves, but their names."""
        content = self.model_dump(mode="json", exclude=set(OWN_NAME))
        content["memory_bytes"] = round(self.memory_bytes / 2**30)  # firmware and kernel keep a varying bit of it
        content["horovod"] = {key: text for key, text in self.horovod.items() if key not in NOT_ENVIRONMENT}
        return json.dumps(content, sort_keys=True)


class Cluster(Part):
    """What was asked of the network and what it was measured to do before the ranks started."""

    name: str
    kind: Kind
    hosts: Positive = 1
    slots: Positive = 1
    asked: dict[str, JsonValue] = Field(default_factory=dict)
    in_force: dict[str, JsonValue] = Field(default_factory=dict, description="measured, where it could be")
    interface_bytes: tuple[int, ...] | None = Field(
        default=None, description="sent per host during the run, by the kernel"
    )
    warnings: tuple[str, ...] = ()


class Reason(StrEnum):
    """Why a run is not a result."""

    START = "start"  # a rank ended before its first step with an error of its own
    ERROR = "error"  # a rank raised
    KILLED = "killed"  # a rank was ended by a signal
    HUNG = "hung"  # the deadline passed
    MEMORY = "out of memory"
    UNREACHABLE = "host unreachable"
    DISK = "disk full"
    INTERRUPTED = "interrupted"  # the harness was told to stop
    CLUSTER = "cluster"  # the cluster did not deliver what was asked
    VERIFICATION = "verification"  # it ended, but ranks are missing or disagree
    HARNESS = "harness"  # a fault of the harness itself


class Finished(Part):
    status: Literal["finished"] = "finished"


class Diverged(Part):
    status: Literal["diverged"] = "diverged"
    step: Count
    message: str = ""


class Failed(Part):
    status: Literal["failed"] = "failed"
    reason: Reason
    message: str
    rank: int | None = None
    step: int | None = None
    stderr_end: str = ""
    exit_code: int | None = None


Outcome = Annotated[Finished | Diverged | Failed, Field(discriminator="status")]


class Sweep(Part):
    """Where in which sweep the run stood. First attempts of one sweep and round were interleaved: fit for pairs."""

    identifier: str
    position: Count
    round: Count = 0


class Facts(Part):
    """What an algorithm, with its options and on so many workers, declares of itself."""

    role: Literal["alone", "ceiling", "control", "peer", "reference", "algorithm"] = Field(
        description="what it is compared as; alone: without Horovod on one worker; peer: another framework's own way"
    )
    place: Count = Field(default=0, description="among others of its role, in tables and legends")
    silent: bool = Field(default=False, description="nothing ever travels")
    hides: bool = Field(description="computing goes on while an exchange travels; else training stands still for it")
    beside: Count | None = Field(
        default=None, description="where it stands still: steps that compute beside an exchange before it does"
    )
    waits_for: Count = Field(description="workers without whose contributions no exchange ends")
    drops_late: bool = Field(default=False, description="what comes after them is dropped")
    every: Count = Field(default=1, description="steps from one exchange to the next")
    ahead: Count | None = Field(
        default=None,
        description="steps between leaving and being waited for: so many wait for nothing where nothing is under way",
    )


class Record(Part):
    schema_version: Literal[1] = 1
    identity: str
    experiment: str
    question: str = ""
    sweep: Sweep
    repetition: Count = 0
    attempt: Count = Field(
        default=0, description="grows when a failed or interrupted run is tried again; the last one counts"
    )
    labels: Labels
    kind: Kind
    replayed: bool
    specification: Specification
    command: str = Field(description="repeats the run")
    created: AwareDatetime
    wall_seconds: float = Field(description="launch to end, as the harness saw it")
    network_seconds: float | None = Field(
        default=None, description="before the launch: to make the network and measure it; 0: it was up already"
    )
    deadline_seconds: float
    outcome: Outcome
    facts: Facts | None = Field(default=None, description="absent in records of before algorithms declared them")
    ranks: tuple[Rank, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    reached: tuple[Reached, ...] = ()
    hosts: tuple[Host, ...] = ()
    cluster: Cluster | None = None
    warnings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Record:
        if self.identity != self.specification.identity:
            raise ValueError("identity is not the hash of the specification")
        if self.kind != self.specification.kind or self.replayed != self.specification.replayed:
            raise ValueError("kind or replayed contradicts the specification")
        for name, axis in AXES.items():
            label, meant = getattr(self.labels, name), axis.of(self.specification)
            # Records of before there was an axis have no label along it.
            if Labels.model_fields[name].is_required() and not axis.renamed and label != meant:
                raise ValueError(f"label {name} = {label!r} contradicts the specification, which says {meant!r}")
        fault, workers = self.specification.fault, self.specification.workers
        if isinstance(self.outcome, Finished) and len(self.ranks) != (
            workers if fault is None else fault.ever(workers)
        ):
            raise ValueError(f"a finished run of {workers} workers has {len(self.ranks)} ranks")
        return self

    @property
    def finished(self) -> bool:
        return isinstance(self.outcome, Finished)

    @property
    def environment(self) -> str:
        """Equal for runs that may be averaged together; differing ones never are in silence. Empty: nobody could say."""
        hosts = sorted({host.environment for host in self.hosts})
        return hashlib.sha256("\n".join(hosts).encode()).hexdigest() if hosts else ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What a sweep asks for once: experiment, identity, repetition."""
        return (self.experiment, self.identity, self.repetition)

    @property
    def failed(self) -> bool:
        """It is no result; a run that diverged is one."""
        return isinstance(self.outcome, Failed)
