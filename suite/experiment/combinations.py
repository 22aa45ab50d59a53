"""Every combination of an experiment's axes, resolved; or what does not go together, with its line."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from suite.experiment import case, choices
from suite.experiment.axes import Where, names
from suite.experiment.file import Experiment
from suite.experiment.live import Live
from suite.experiment.networks import step_seconds
from suite.experiment.salvage import Path as Place
from suite.experiment.schema import Shared
from suite.experiment.validation import Problem
from suite.record.axes import AXES, Labels, Use, axes
from suite.record.specification import Specification
from suite.virtual.fitting import refuse_what_has_no_virtual_form

Made = TypeVar("Made")


class Resolved(NamedTuple):
    """A combination that a run can be made of."""

    specification: Specification
    labels: Labels
    follows: bool  # what is tuned has been tried elsewhere


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

    at: Any  # the value of each axis, under its name
    places: Mapping[str, int]  # index in the file along each axis, to say where a problem stands

    def place(self, axis: str) -> Place:
        return ("axes", axis, self.places[axis])


def _cells(experiment: Experiment) -> Iterable[_Cell]:
    axes = experiment.file.axes
    columns = [list(enumerate(getattr(axes, axis) or (None,))) for axis in AXES]
    for chosen in itertools.product(*columns):
        at = SimpleNamespace(**{axis: value for axis, (_, value) in zip(AXES, chosen, strict=True)})
        yield _Cell(at, {axis: index for axis, (index, _) in zip(AXES, chosen, strict=True)})


class _Resolver:
    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.problems: list[Problem] = []
        self.used: set[Place] = set()
        self.included = False
        wrong = experiment.wrong
        # Axes and settings of all runs without a value that could be judged.
        self.unknown = {str(path[1]) for path in wrong if len(path) == 2 and path[0] in ("axes", "run")}
        if wrong & {("run",), ("override",)}:
            self.unknown |= set(Shared.model_fields)

    def resolve(self, cell: _Cell) -> Resolved | None:
        """None: excluded, or noted as a problem."""
        at = cell.at
        network = at.network.resolved(at.workers)
        labels = {
            "model": at.model.called(),
            "algorithm": at.algorithm.called(),
            "network": at.network.label or network.describe(at.workers),
        }
        called = {axis: names(getattr(at, axis), labels.get(axis, "")) for axis in AXES}
        for index, exclude in enumerate(self.experiment.file.exclude):
            if exclude.where.matches(called):
                self.used.add(("exclude", index))
                return None
        self.included = True
        tuning = self.experiment.file.tuning
        follows = tuning is not None and not tuning.where.matches(called)
        if not follows:
            self.used.add(("tuning",))
        common = self._common(called)
        shared = common.shared
        rate = shared.optimizer.learning_rate if at.learning_rate is None else at.learning_rate
        optimizer = shared.optimizer.model_copy(update={"learning_rate": rate})
        point = case.Case(at, shared, optimizer, network)

        def fits(place: Place, needs: Iterable[str], check: Callable[[], Made]) -> Made | None:
            """What the check makes; None if it refuses, or if a value that it needs is wrong by itself."""
            return None if common.unknown.intersection(needs) else self._try(place, check)

        per_framework = at.model.replay is not None and "{framework}" in at.model.replay.profile
        of_model = ("model", "data", *["framework"] * per_framework)
        of_batch = ("workers", "batch_size", "effective_batch_size")
        model = fits(cell.place("model"), of_model, lambda: case.model(point))
        data = None if model is None else self._try(cell.place("model"), lambda: case.data(shared, model))
        batch = fits(cell.place("workers"), of_batch, lambda: case.batch_size(shared, at.workers))
        wrong = False
        for where, needs, check in case.CHECKS:
            place = cell.place(where) if where in AXES else common.place(where)
            wrong |= fits(place, (where, *needs), functools.partial(_passes, check, point)) is None
        if model is None or data is None or batch is None or wrong:
            return None
        written = {axis: getattr(at, axis) for axis in AXES if axis in Specification.model_fields}
        resolved = {
            "model": model,
            "algorithm": choices.written_out(at.algorithm.made),
            "network": network.timed(functools.partial(step_seconds, model, batch)),
            "data": data,
            "optimizer": optimizer,
            "batch_size": batch,
        }
        settings = shared.model_dump(exclude={"data", "optimizer", "batch_size", "effective_batch_size"})
        plain = {axis: None if value == "none" else value for axis, value in written.items()}
        specification = Specification(**(settings | plain | resolved))
        if network.evidence == "simulated" and not self._try(
            cell.place("network"), lambda: _passes(refuse_what_has_no_virtual_form, Live(specification))
        ):
            return None
        return Resolved(specification, Labels.of(specification, **labels), follows)

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
        selections: list[tuple[Place, Where]] = [(("override", at), one.where) for at, one in enumerate(file.override)]
        selections += [(("exclude", at), one.where) for at, one in enumerate(file.exclude)]
        selections += [(("tuning",), file.tuning.where)] if file.tuning else []
        idle = [
            self.experiment.problem((*place, "where"), f"this {place[0]} matches no run")
            for place, where in selections
            if place not in self.used | doubtful and not incomplete & where.axes()
        ]
        tuned = axes(Use.TUNED)
        if (
            file.tuning
            and not incomplete.intersection(tuned)
            and all(len(getattr(file.axes, axis) or ()) < 2 for axis in tuned)
        ):
            idle.append(
                self.experiment.problem(
                    ("tuning",), f"tuning: {' and '.join(tuned)} has one value, nothing to choose from"
                )
            )
        return idle


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


def _passes(check: Callable[[Made], object], made: Made) -> bool:
    check(made)
    return True


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
    for cell, (specification, labels, _) in resolved:
        first, earlier = seen.setdefault(specification.identity, (cell, labels))
        if first is not cell:
            axis = next(axis for axis in reversed(tuple(AXES)) if first.place(axis) != cell.place(axis))
            both = f"{axis} {getattr(earlier, axis)!r} and {getattr(labels, axis)!r}"
            yield experiment.problem(cell.place(axis), f"two runs are the same: {both} differ in nothing that counts")
