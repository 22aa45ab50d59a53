"""From an experiment to the runs that answer it, in the order in which they will be done.

Order: repetitions and seeds are blocks, one after another, so that a sweep cut short has compared everything a little.
In a block, what differs only in the algorithm, or in the form in which its numbers travel, stands together and in random
order: slow drift of the machine then hits every algorithm alike, and their ratios can be taken in pairs. Where the
experiment tunes, the runs that try everything come first.
"""

from __future__ import annotations

import fnmatch
import itertools
import random
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from algorithms.mechanisms.suggest import unknown
from suite.cluster import elsewhere, hosts
from suite.experiment.combinations import Resolved, combine
from suite.experiment.file import Experiment, ExperimentError
from suite.experiment.validation import Problem
from suite.record.axes import AXES, Labels, Use, axes
from suite.record.specification import Specification


@dataclass(frozen=True)
class Planned:
    """One run that a sweep will do."""

    position: int
    round: int
    repetition: int
    specification: Specification
    labels: Labels

    @property
    def identity(self) -> str:
        return self.specification.identity


@dataclass(frozen=True)
class Plan:
    experiment: str
    question: str
    title: str
    runs: tuple[Planned, ...]
    minutes: float | None = None
    source: str = ""  # what to call it on the command line
    # Runs that are worth doing only if what is tuned was best as they have it, by identity: with those that tried it.
    tuning: Mapping[str, tuple[Planned, ...]] = field(default_factory=dict)

    def only(self, filters: Iterable[str]) -> Plan:
        """`axis=pattern` (several of one axis: any of them) or the beginning of an identity. A miss is an error."""
        by_axis: dict[str, list[str]] = {}
        for text in filters:
            axis, equals, pattern = text.partition("=")
            if not text.strip():
                raise ValueError(f"--only {text!r}: write axis=pattern, or the beginning of a run's identity")
            if equals and axis not in AXES:
                raise ValueError(unknown("axis in --only", axis, AXES))
            axis, pattern = (axis, pattern) if equals else ("", text)
            if not any(_chosen(run, axis, [pattern]) for run in self.runs):
                raise ValueError(self._miss(axis, pattern))
            by_axis.setdefault(axis, []).append(pattern)
        kept = tuple(run for run in self.runs if all(_chosen(run, axis, any_of) for axis, any_of in by_axis.items()))
        if not kept:
            raise ValueError(f"--only leaves no run of {self.experiment}: no run is all of that at once")
        return replace(self, runs=kept)

    def _miss(self, axis: str, pattern: str) -> str:
        if axis:
            return unknown(f"{axis} in --only", pattern, sorted(self.values(axis)))
        return f"--only {pattern!r}: no run of {self.experiment} has an identity that begins so (labels: axis=pattern)"

    def share(self, run: Planned) -> float:
        """How much of a run it is before its tuning is known: one in three where three values are tried."""
        return 1.0 / max(1, len({one.labels.only(Use.TUNED) for one in self.tried(run)}))

    def tried(self, run: Planned) -> tuple[Planned, ...]:
        """The runs that decide whether this one is worth doing."""
        return self.tuning.get(run.identity, ())

    def values(self, axis: str) -> tuple[str, ...]:
        """The labels along one axis, in the order of the runs."""
        return tuple(dict.fromkeys(str(getattr(run.labels, axis)) for run in self.runs))


def _chosen(run: Planned, axis: str, any_of: Iterable[str]) -> bool:
    if not axis:
        return any(run.identity.startswith(start) for start in any_of)
    label = str(getattr(run.labels, axis))
    names = (label, label.split("(")[0])
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in any_of)


def expand(experiment: Experiment, *, repetitions: int | None = None, ask_hosts: bool = False) -> Plan:
    """Every run of the experiment, or an ExperimentError with all that is wrong with the file.

    `ask_hosts`: also with the hosts of its host files that nobody knows, if there are other mistakes.
    """
    file = experiment.file
    times = file.repetitions if repetitions is None else repetitions
    if times < 1:
        raise ValueError(f"repetitions = {times}: must be at least 1")
    resolved, misfits = combine(experiment)
    if problems := [*experiment.problems, *misfits]:
        raise ExperimentError(experiment.path.name, problems + (unknown_hosts(experiment) if ask_hosts else []))
    runs = tuple(_ordered(experiment, resolved, times))
    return Plan(
        experiment.name,
        file.question,
        file.title or experiment.name,
        runs,
        file.minutes,
        experiment.source,
        _tuning(experiment, resolved, runs),
    )


def refuse_what_is_not_here(experiment: Experiment, plan: Plan) -> None:
    """Asked about the machines of the plan's runs only, which may be fewer than the experiment's."""
    networks = [run.specification.network for run in plan.runs]
    problems = unknown_hosts(experiment, {network.file for network in networks})
    if not all(network.exists for network in networks):
        problems.append(experiment.problem(("axes", "network"), elsewhere.WHY))
    if problems:
        raise ExperimentError(experiment.path.name, problems)


def unknown_hosts(experiment: Experiment, files: Container[str | None] | None = None) -> list[Problem]:
    return [
        Problem(line, message)
        for file, line in experiment.host_files
        if files is None or file in files
        for message in hosts.unknown_hosts(file)
    ]


def _ordered(experiment: Experiment, resolved: list[Resolved], repetitions: int) -> Iterable[Planned]:
    seeds = tuple(dict.fromkeys(experiment.file.axes.seed))
    shuffle = random.Random(f"{experiment.name} {experiment.file.order_seed}")
    position = 0
    for follows, (number, (repetition, seed)) in itertools.product(
        (False, True), enumerate(itertools.product(range(repetitions), seeds))
    ):
        groups: dict[Labels, list[Resolved]] = {}
        for one in resolved:
            if one.specification.seed == seed and one.follows is follows:
                groups.setdefault(one.labels.without(Use.CONTENDER), []).append(one)
        order = list(groups.values())
        shuffle.shuffle(order)
        for group in order:
            shuffle.shuffle(group)
            for one in group:
                yield Planned(position, number, repetition, one.specification, one.labels)
                position += 1


def _tuning(
    experiment: Experiment, resolved: list[Resolved], runs: Iterable[Planned]
) -> Mapping[str, tuple[Planned, ...]]:
    """Of each run that follows, those that tried: alike but for what is tuned, and for where it was."""
    if experiment.file.tuning is None:
        return {}
    apart = experiment.file.tuning.where.axes() | set(axes(Use.TUNED))
    following = {one.specification.identity: one for one in resolved if one.follows}
    tried: dict[Labels, list[Planned]] = {}
    for run in runs:
        if run.identity not in following:
            tried.setdefault(run.labels.less(apart), []).append(run)
    return {identity: tuple(tried.get(one.labels.less(apart), ())) for identity, one in following.items()}
