"""Every combination of an experiment's axes, resolved; or what does not go together, with its line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from algorithms.contract import Rounds
from suite.experiment import choices
from suite.experiment.file import Experiment
from suite.experiment.network_choice import NetworkChoice
from suite.experiment.networks import check_room, resolve_network, resolve_straggler, with_compute
from suite.experiment.salvage import Path as Place
from suite.experiment.schema import AXES, AlgorithmChoice, ModelChoice, Shared
from suite.experiment.validation import Problem
from suite.record.schema import Labels
from suite.record.specification import (
    Data,
    Model,
    Optimizer,
    Replay,
    Specification,
    describe_network,
    refuse_targets_without_evaluations,
)
from suite.virtual.fitting import refuse_what_has_no_virtual_form

Made = TypeVar("Made")
Resolved = tuple[Specification, Labels]


def combine(experiment: Experiment) -> tuple[list[Resolved], list[Problem]]:
    """Nothing is said of a combination that depends on a value that is wrong by itself."""
    resolver = _Resolver(experiment)
    resolved = [(cell, pair) for cell in _cells(experiment) if (pair := resolver.resolve(cell)) is not None]
    return [pair for _, pair in resolved], [
        *resolver.problems,
        *resolver.never_matched(),
        *_twins(experiment, resolved),
    ]


@dataclass(frozen=True)
class _Cell:
    """One point of the axes."""

    framework: str
    model: ModelChoice
    algorithm: AlgorithmChoice
    wire: str
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
            "wire": (self.wire, self.wire.split(":")[0]),
            "workers": (self.workers,),
            "network": (network, self.network.name),
            "straggler": (self.straggler,),
            "learning_rate": (self.learning_rate,),
            "seed": (self.seed,),
        }

    def place(self, axis: str) -> Place:
        return ("axes", axis, self.places[AXES.index(axis)])


def _cells(experiment: Experiment) -> Iterable[_Cell]:
    axes = experiment.file.axes
    columns = [list(enumerate(getattr(axes, axis) or (None,))) for axis in AXES]
    for chosen in itertools.product(*columns):
        framework, model, algorithm, wire, workers, network, straggler, rate, seed = (value for _, value in chosen)
        places = tuple(index for index, _ in chosen)
        yield _Cell(framework, model, algorithm, wire, workers, network, straggler, rate, seed, places)


class _Resolver:
    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.problems: list[Problem] = []
        self.used: set[tuple[str, int]] = set()
        self.included = False
        wrong = experiment.wrong
        # Axes and settings of all runs without a value that could be judged.
        self.unknown = {str(path[1]) for path in wrong if len(path) == 2 and path[0] in ("axes", "run")}
        if wrong & {("run",), ("override",)}:
            self.unknown |= set(Shared.model_fields)

    def resolve(self, cell: _Cell) -> Resolved | None:
        """None: excluded, or noted as a problem."""
        network = resolve_network(cell.network, cell.workers)
        shown = cell.network.label or describe_network(network, cell.workers)
        called = cell.called(shown)
        for index, exclude in enumerate(self.experiment.file.exclude):
            if exclude.where.matches(called):
                self.used.add(("exclude", index))
                return None
        self.included = True
        common = self._common(called)
        shared = common.shared
        rate = shared.optimizer.learning_rate if cell.learning_rate is None else cell.learning_rate
        optimizer = shared.optimizer.model_copy(update={"learning_rate": rate})

        def fits(place: Place, needs: Iterable[str], check: Callable[[], Made]) -> Made | None:
            """What the check makes; None if it refuses, or if a value that it needs is wrong by itself."""
            return None if common.unknown.intersection(needs) else self._try(place, check)

        algorithm = choices.resolve_algorithm(cell.algorithm.name, cell.algorithm.options)
        per_framework = cell.model.replay is not None and "{framework}" in cell.model.replay.profile
        of_model = ("model", "data", *["framework"] * per_framework)
        of_batch = ("workers", "batch_size", "effective_batch_size")
        of_targets = ("targets", "evaluate_every")
        model = fits(cell.place("model"), of_model, lambda: _model(cell, shared.data.name))
        data = None if model is None else self._try(cell.place("model"), lambda: _data(shared, model))
        batch = fits(cell.place("workers"), of_batch, lambda: _batch_size(shared, cell.workers))
        checks = (
            fits(cell.place("algorithm"), ("algorithm", "workers"), lambda: _takes_part(cell)),
            fits(cell.place("algorithm"), ("algorithm", "framework"), lambda: _runs_on(cell)),
            fits(cell.place("wire"), ("wire", "algorithm", "workers"), lambda: _carries(cell)),
            fits(cell.place("straggler"), ("straggler", "workers"), lambda: _slows(cell)),
            fits(cell.place("framework"), ("framework", "optimizer"), lambda: _trains(cell, optimizer)),
            fits(cell.place("network"), ("network", "workers"), lambda: check_room(network, cell.workers)),
            fits(common.place("targets"), of_targets, lambda: _reaches(shared)),
        )
        if model is None or data is None or batch is None or any(one is None for one in checks):
            return None
        labels = Labels(
            framework=cell.framework,
            model=cell.model.called(),
            algorithm=cell.algorithm.called(),
            workers=cell.workers,
            network=shown,
            straggler=cell.straggler,
            learning_rate=rate,
            seed=cell.seed,
            wire=cell.wire,
        )
        settings = shared.model_dump(exclude={"data", "optimizer", "batch_size", "effective_batch_size"})
        specification = Specification(
            framework=cell.framework,  # type: ignore[arg-type]  # checked by the file's schema
            model=model,
            algorithm=algorithm,
            data=data,
            optimizer=optimizer,
            workers=cell.workers,
            network=with_compute(network, cell.network, model, batch),
            wire=None if cell.wire == "none" else cell.wire,
            straggler=None if cell.straggler == "none" else cell.straggler,
            seed=cell.seed,
            batch_size=batch,
            **settings,
        )
        if network.kind == "virtual" and not self._try(cell.place("network"), lambda: _has_virtual_form(specification)):
            return None
        return specification, labels

    def _common(self, called: Mapping[str, tuple[object, ...]]) -> _Common:
        merged: Mapping[str, Any] = self.experiment.shared
        unknown = set(self.unknown)
        applied = []
        for index, override in enumerate(self.experiment.file.override):
            if override.where.matches(called):
                self.used.add(("override", index))
                merged = _merge(merged, override.set)
                applied.append((index, override.set))
                unknown |= {str(path[3]) for path in self.experiment.wrong if path[:3] == ("override", index, "set")}
        shared = self.experiment.file.run
        if applied:
            try:
                shared = Shared.model_validate(merged)
            except ValidationError as error:
                unknown |= {str(one["loc"][0]) for one in error.errors()}
                self._note(("override", applied[-1][0], "set"), error)
        return _Common(shared, frozenset(unknown), tuple(applied))

    def _try(self, place: Place, make: Callable[[], Made]) -> Made | None:
        try:
            return make()
        except ValueError as error:
            self._note(place, error)
            return None

    def _note(self, place: Place, error: ValueError) -> None:
        if isinstance(error, ValidationError):
            messages = [str(one["ctx"]["error"]) if "ctx" in one else one["msg"] for one in error.errors()]
        else:
            messages = str(error).splitlines()
        self.problems += [self.experiment.problem(place, message) for message in messages]

    def never_matched(self) -> list[Problem]:
        """A selection that selects nothing is a mistake: its author believes that it does something."""
        wrong, file = self.experiment.wrong, self.experiment.file
        if any(path[0] == "exclude" for path in wrong):
            return []  # nobody knows what it was meant to leave over for the others
        if not self.included:
            return [self.experiment.problem(("exclude",), "every run is excluded")]
        incomplete = {path[1] for path in wrong if path[0] == "axes"}
        doubtful = {path[:2] for path in wrong if len(path) < 4 or path[2] == "where"}
        selections = [("override", index, one.where) for index, one in enumerate(file.override)]
        selections += [("exclude", index, one.where) for index, one in enumerate(file.exclude)]
        return [
            self.experiment.problem((kind, index, "where"), f"this {kind} matches no run")
            for kind, index, where in selections
            if (kind, index) not in self.used | doubtful and not incomplete & where.axes()
        ]


@dataclass(frozen=True)
class _Common:
    """What a cell is given by `[run]` and by the overrides that apply to it."""

    shared: Shared
    unknown: frozenset[str]  # settings and axes without a value that could be judged
    applied: tuple[tuple[int, Mapping[str, Any]], ...]

    def place(self, setting: str) -> Place:
        for index, changes in reversed(self.applied):
            if setting in changes:
                return ("override", index, "set", setting)
        return ("run", setting)


def _takes_part(cell: _Cell) -> bool:
    name = cell.algorithm.name
    try:
        choices.make_algorithm(name, cell.algorithm.options).check(cell.workers)
    except ValueError as error:
        raise ValueError(str(error) if name in str(error) else f"{name}: {error}") from error
    return True


def _runs_on(cell: _Cell) -> bool:
    if cell.network.name == "virtual":
        return True  # `refuse_what_has_no_virtual_form` sees the whole specification
    choices.check_runs_on(cell.algorithm.name, cell.framework)
    made = choices.make_algorithm(cell.algorithm.name, cell.algorithm.options)
    if cell.framework == "tensorflow" and isinstance(made, Rounds) and made.gives_up:
        called = cell.algorithm.called()
        raise ValueError(f"{called} does not run on tensorflow, whose steps cannot be left; exclude the pair")
    return True


def _carries(cell: _Cell) -> bool:
    made = choices.make_algorithm(cell.algorithm.name, cell.algorithm.options)
    try:
        choices.refuse_unfit_form(cell.wire, made, cell.workers)
    except ValueError as error:
        raise ValueError(f"{error}; exclude the pair") from error
    return True


def _has_virtual_form(specification: Specification) -> bool:
    refuse_what_has_no_virtual_form(specification)
    return True


def _slows(cell: _Cell) -> bool:
    resolve_straggler(cell.straggler, cell.workers)
    return True


def _trains(cell: _Cell, optimizer: Optimizer) -> bool:
    choices.checked_optimizer(cell.framework, optimizer)
    return True


def _reaches(shared: Shared) -> bool:
    refuse_targets_without_evaluations(shared.targets, shared.evaluate_every)
    return True


def _model(cell: _Cell, data: str) -> Model:
    model = choices.resolve_model(cell.model.model(), data)
    if cell.model.replay is None:
        return model
    chosen = cell.model.replay
    name = chosen.profile.replace("{framework}", cell.framework)
    replay = Replay(**(chosen.model_dump() | {"profile": name}), digest=choices.profile_digest(name))
    return choices.resolve_replay(model, replay)


def _data(shared: Shared, model: Model) -> Data:
    return choices.resolve_data(Data.model_validate(shared.data.model_dump()), model)


def _batch_size(shared: Shared, workers: int) -> int:
    if shared.effective_batch_size is None:
        return shared.batch_size or 8
    if shared.effective_batch_size % workers:
        raise ValueError(f"effective_batch_size = {shared.effective_batch_size} cannot be shared by {workers} workers")
    return shared.effective_batch_size // workers


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, anything else is replaced. A bare name stands for the table with that name."""
    merged = dict(base)
    for key, value in changes.items():
        old = {"name": merged[key]} if isinstance(merged.get(key), str) else merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _twins(experiment: Experiment, resolved: Iterable[tuple[_Cell, Resolved]]) -> Iterable[Problem]:
    """Two values of an axis that make the same run."""
    seen: dict[str, tuple[_Cell, Labels]] = {}
    for cell, (specification, labels) in resolved:
        first, earlier = seen.setdefault(specification.identity, (cell, labels))
        if first is not cell:
            axis = next(axis for axis in reversed(AXES) if first.place(axis) != cell.place(axis))
            both = f"{axis} {getattr(earlier, axis)!r} and {getattr(labels, axis)!r}"
            yield experiment.problem(cell.place(axis), f"two runs are the same: {both} differ in nothing that counts")
