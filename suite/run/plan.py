"""From an experiment to the runs that answer it, in the order in which they will be done.

Order: repetitions and seeds are blocks, one after another, so that a sweep cut short has compared everything a little.
In a block, what differs only in the algorithm stands together and in random order: slow drift of the machine then hits
every algorithm alike, and their ratios can be taken in pairs.
"""

from __future__ import annotations

import fnmatch
import itertools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from suite.run import choices
from suite.run.experiment import Experiment, ExperimentError, Problem
from suite.run.experiment_file import AXES, AlgorithmChoice, ModelChoice, NetworkChoice, Shared
from suite.run.networks import resolve_network, resolve_straggler
from suite.run.record import Labels
from suite.run.specification import Data, Model, Network, Replay, Specification, describe_network
from suite.suggest import unknown


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

    def values(self, axis: str) -> tuple[str, ...]:
        """The labels along one axis, in the order of the runs."""
        return tuple(dict.fromkeys(str(getattr(run.labels, axis)) for run in self.runs))


def _chosen(run: Planned, axis: str, any_of: Iterable[str]) -> bool:
    if not axis:
        return any(run.identity.startswith(start) for start in any_of)
    label = str(getattr(run.labels, axis))
    names = (label, label.split("(")[0])
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in any_of)


@dataclass(frozen=True)
class _Cell:
    """One point of the axes."""

    framework: str
    model: ModelChoice
    algorithm: AlgorithmChoice
    workers: int
    network: NetworkChoice
    straggler: str
    learning_rate: float | None  # None: the optimizer's own
    seed: int
    places: tuple[int, ...]  # index in the file along each axis, to say where a problem stands

    def called(self, network: str) -> dict[str, tuple[object, ...]]:
        """Every name an axis value answers to in `where`."""
        return {
            "framework": (self.framework,),
            "model": (self.model.called(), self.model.name),
            "algorithm": (self.algorithm.called(), self.algorithm.name),
            "workers": (self.workers,),
            "network": (network, self.network.name),
            "straggler": (self.straggler,),
            "learning_rate": (self.learning_rate,),
            "seed": (self.seed,),
        }


def expand(experiment: Experiment, *, repetitions: int | None = None) -> Plan:
    """Every run of the experiment, or an ExperimentError with every combination that cannot work."""
    file = experiment.file
    times = file.repetitions if repetitions is None else repetitions
    if times < 1:
        raise ValueError(f"repetitions = {times}: must be at least 1")
    problems: list[Problem] = []
    resolver = _Resolver(experiment, problems)
    found = [(cell, resolver.resolve(cell)) for cell in _cells(experiment)]
    resolved = [(cell, pair) for cell, pair in found if pair is not None]
    problems += resolver.never_matched()
    seen: dict[str, Labels] = {}
    for _, (specification, labels) in resolved:
        earlier = seen.setdefault(specification.identity, labels)
        if earlier is not labels:
            message = f"two runs are the same: {_line(earlier)} and {_line(labels)}"
            problems.append(experiment.problem(("axes",), message))
    if not resolved and not problems:
        problems.append(experiment.problem(("exclude",), "every run is excluded"))
    if problems:
        raise ExperimentError(experiment.path.name, problems)
    runs = _ordered(experiment, [pair for _, pair in resolved], times)
    return Plan(
        experiment.name, file.question, file.title or experiment.name, tuple(runs), file.minutes, experiment.source
    )


def _cells(experiment: Experiment) -> Iterable[_Cell]:
    axes = experiment.file.axes
    columns = [list(enumerate(getattr(axes, axis) or (None,))) for axis in AXES]
    for chosen in itertools.product(*columns):
        framework, model, algorithm, workers, network, straggler, rate, seed = (value for _, value in chosen)
        places = tuple(index for index, _ in chosen)
        yield _Cell(framework, model, algorithm, workers, network, straggler, rate, seed, places)


def _ordered(
    experiment: Experiment, resolved: list[tuple[Specification, Labels]], repetitions: int
) -> Iterable[Planned]:
    seeds = tuple(dict.fromkeys(experiment.file.axes.seed))
    shuffle = random.Random(f"{experiment.name} {experiment.file.order_seed}")
    position = 0
    for number, (repetition, seed) in enumerate(itertools.product(range(repetitions), seeds)):
        groups: dict[str, list[tuple[Specification, Labels]]] = {}
        for specification, labels in resolved:
            if specification.seed == seed:
                groups.setdefault(_line(labels.model_copy(update={"algorithm": ""})), []).append(
                    (specification, labels)
                )
        order = list(groups.values())
        shuffle.shuffle(order)
        for group in order:
            shuffle.shuffle(group)
            for specification, labels in group:
                yield Planned(position, number, repetition, specification, labels)
                position += 1


class _Resolver:
    def __init__(self, experiment: Experiment, problems: list[Problem]) -> None:
        self.experiment = experiment
        self.problems = problems
        self.used: set[tuple[str, int]] = set()

    def resolve(self, cell: _Cell) -> tuple[Specification, Labels] | None:
        """None: excluded, or noted as a problem."""
        file = self.experiment.file
        network = self._try(cell, "network", lambda: resolve_network(cell.network, cell.workers))
        if network is None:
            return None
        shown = cell.network.label or describe_network(network, cell.workers)
        called = cell.called(shown)
        for index, exclude in enumerate(file.exclude):
            if exclude.where.matches(called):
                self.used.add(("exclude", index))
                return None
        shared = self._shared(called)
        rate = shared.optimizer.learning_rate if cell.learning_rate is None else cell.learning_rate
        labels = Labels(
            framework=cell.framework,
            model=cell.model.called(),
            algorithm=cell.algorithm.called(),
            workers=cell.workers,
            network=shown,
            straggler=cell.straggler,
            learning_rate=rate,
            seed=cell.seed,
        )
        chosen = shared.optimizer.model_copy(update={"learning_rate": rate})
        specification = self._specification(cell, shared.model_copy(update={"optimizer": chosen}), network)
        return None if specification is None else (specification, labels)

    def _shared(self, called: Mapping[str, tuple[object, ...]]) -> Shared:
        merged: Mapping[str, Any] = self.experiment.shared
        changed = False
        for index, override in enumerate(self.experiment.file.override):
            if override.where.matches(called):
                self.used.add(("override", index))
                merged = _merge(merged, override.set)
                changed = True
        return Shared.model_validate(merged) if changed else self.experiment.file.run

    def _specification(self, cell: _Cell, shared: Shared, network: Network) -> Specification | None:
        algorithm = choices.resolve_algorithm(cell.algorithm.name, cell.algorithm.options)
        made = choices.make_algorithm(algorithm.name, algorithm.options)
        if self._try(cell, "algorithm", lambda: _fits(made, cell)) is None:
            return None
        model = self._try(cell, "model", lambda: _model(cell, shared.data.name))
        straggler = self._try(cell, "straggler", lambda: (resolve_straggler(cell.straggler, cell.workers),))
        optimizer = self._try(cell, "framework", lambda: choices.checked_optimizer(cell.framework, shared.optimizer))
        batch = self._try(cell, "workers", lambda: _batch_size(shared, cell.workers))
        if model is None or straggler is None or batch is None or optimizer is None:
            return None
        shared_data = Data.model_validate(shared.data.model_dump())
        data = self._try(cell, "model", lambda: choices.resolve_data(shared_data, model))
        if data is None:
            return None
        settings = shared.model_dump(exclude={"data", "optimizer", "batch_size", "effective_batch_size"})
        made_of: Specification | None = self._try(
            cell,
            "network",
            lambda: Specification(
                framework=cell.framework,  # type: ignore[arg-type]  # checked by the file's schema
                model=model,
                algorithm=algorithm,
                data=data,
                optimizer=optimizer,
                workers=cell.workers,
                network=network,
                straggler=straggler[0],
                seed=cell.seed,
                batch_size=batch,
                **settings,
            ),
        )
        return made_of

    def _try(self, cell: _Cell, axis: str, make: Any) -> Any:
        try:
            return make()
        except ValidationError as error:
            messages = [str(one["ctx"]["error"]) if "ctx" in one else one["msg"] for one in error.errors()]
        except ValueError as error:
            messages = str(error).splitlines()
        place = ("axes", axis, cell.places[AXES.index(axis)])
        self.problems.extend(self.experiment.problem(place, message) for message in messages)
        return None

    def never_matched(self) -> list[Problem]:
        """A selection that selects nothing is a mistake: its author believes that it does something."""
        if self.problems:
            return []
        file = self.experiment.file
        return [
            self.experiment.problem((kind, index, "where"), f"this {kind} matches no run")
            for kind, count in (("override", len(file.override)), ("exclude", len(file.exclude)))
            for index in range(count)
            if (kind, index) not in self.used
        ]


def _fits(made: Any, cell: _Cell) -> bool:
    made.check(cell.workers)
    if cell.algorithm.name not in choices.algorithm_names(cell.framework):
        raise ValueError(f"{cell.algorithm.name} does not run on {cell.framework}; exclude the pair")
    return True


def _model(cell: _Cell, data: str) -> Model:
    model = choices.resolve_model(cell.model.model(), data)
    if cell.model.replay is None:
        return model
    chosen = cell.model.replay
    name = chosen.profile.replace("{framework}", cell.framework)
    replay = Replay(**(chosen.model_dump() | {"profile": name}), digest=choices.profile_digest(name))
    return choices.resolve_replay(model, replay)


def _batch_size(shared: Shared, workers: int) -> int:
    if shared.effective_batch_size is None:
        return shared.batch_size or 8
    if shared.effective_batch_size % workers:
        raise ValueError(f"effective_batch_size = {shared.effective_batch_size} cannot be shared by {workers} workers")
    return shared.effective_batch_size // workers


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, anything else is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _line(labels: Labels) -> str:
    return " ".join(str(value) for value in labels.model_dump().values())
