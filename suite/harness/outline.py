"""What a sweep would do, decided before anything starts."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from suite.experiment.plan import Plan, Planned
from suite.harness import expected
from suite.harness.again import restless
from suite.harness.tuning import Tuning
from suite.record.outcome import Failed, Reason
from suite.record.reading import Contents
from suite.record.schema import Record
from suite.record.store import Store

# A run that failed for these reasons is not there: it says nothing about what was to be measured.
AGAIN = {Reason.INTERRUPTED, Reason.DISK, Reason.HARNESS}


@dataclass(frozen=True)
class Options:
    """How a plan is run. Without `resume`, its runs are added to what earlier sweeps left, as further repetitions."""

    resume: bool = False
    retry: bool = False  # with resume: runs that failed are tried again too
    trace: Path | None = None  # folder for a merged trace of every run


@dataclass(frozen=True)
class Outline:
    """What a sweep would do: decided before anything starts, so that a dry run shows just that."""

    plan: Plan
    identifier: str
    first_repetition: int
    present: frozenset[int]  # positions of runs that are there already
    left_out: frozenset[int]  # and of those that are known to be tuned less well than others
    decided: frozenset[int]  # of runs about which nothing remains to be tried
    recorded: tuple[Record, ...]  # what the sweep has left so far, where it is resumed
    tuning: Tuning
    expected: Sequence[float]
    deadlines: Sequence[float]

    @classmethod
    def of(cls, plan: Plan, options: Options, store: Store) -> Outline:
        """What remains to be done of a plan, beside what is in the store."""
        plan = replace(plan, runs=tuple(replace(run, position=index) for index, run in enumerate(plan.runs)))
        contents = store.read(plan.experiment) if store.folder.exists() else Contents((), ())
        records = list(contents.latest())
        first, identifier = 0, uuid.uuid4().hex[:12]
        present: set[int] = set()
        recorded: tuple[Record, ...] = ()
        if records:
            newest = max(records, key=lambda record: record.created).sweep.identifier
            if options.resume:
                identifier = newest
                first = min(record.repetition for record in records if record.sweep.identifier == newest)
            else:
                first = 1 + max(record.repetition for record in records)
        if options.resume:
            recorded = tuple(record for record in contents.records if record.sweep.identifier == identifier)
            counting = {record.key for record in records if _counts(record, options.retry)} - restless(recorded)
            keys = {run.position: (plan.experiment, run.identity, first + run.repetition) for run in plan.runs}
            present = {position for position, key in keys.items() if key in counting}
        tuning = Tuning(plan, records)
        # What is still to be tried may change what is known from before.
        pending = {run.identity for run in plan.runs if run.position not in present}
        decided = {run.position for run in plan.runs if not any(one.identity in pending for one in plan.tried(run))}
        left_out = {run.position for run in plan.runs if run.position in decided and tuning.leaves_out(run)} - present
        seconds = _estimates(plan)
        deadlines = [
            expected.deadline(one, run.specification.network.evidence == "simulated")
            for one, run in zip(seconds, plan.runs, strict=True)
        ]
        return cls(
            plan,
            identifier,
            first,
            frozenset(present),
            frozenset(left_out),
            frozenset(decided),
            recorded,
            tuning,
            seconds,
            deadlines,
        )

    @property
    def ahead(self) -> list[float]:
        """Of each run of the plan, how much of it there is to do: a share, as long as its tuning is not known."""
        gone = self.present | self.left_out
        return [
            0.0 if run.position in gone else 1.0 if run.position in self.decided else self.plan.share(run)
            for run in self.plan.runs
        ]

    def key(self, run: Planned) -> tuple[str, str, int]:
        return (self.plan.experiment, run.identity, self.first_repetition + run.repetition)


def _counts(record: Record, retry: bool) -> bool:
    if isinstance(record.outcome, Failed):
        return not retry and record.outcome.reason not in AGAIN
    return True


def _estimates(plan: Plan) -> list[float]:
    known: dict[str, float] = {}
    return [
        known.setdefault(run.identity, expected.estimate(run.specification))
        if run.identity not in known
        else known[run.identity]
        for run in plan.runs
    ]
