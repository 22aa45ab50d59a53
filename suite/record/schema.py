"""The schema of a record: everything one run left behind, raw. Means, medians and speed-ups are recomputed by readers.

One JSON file per run, created once. Times are seconds; clocks are monotonic; every rank's `started` counts from a
moment that all ranks left together, so ranks can be laid side by side.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from suite.record.axes import AXES, Labels
from suite.record.host import Cluster, Host
from suite.record.outcome import Failed, Finished, Outcome
from suite.record.part import Count, Kind, Part
from suite.record.rank import Rank
from suite.record.specification import Specification

SCHEMA_VERSION = 1


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
