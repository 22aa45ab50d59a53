"""What one rank left behind: columns of its steps, counters of its algorithm, its memory, and what happened around it."""

from __future__ import annotations

from pydantic import Field, JsonValue, model_validator

from suite.record.part import Count, Part, Positive

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
