"""One combination of an experiment's values, before it is a run: what is made of it, and what refuses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from algorithms.contract import Rounds
from suite.cluster.network import Network
from suite.experiment import choices
from suite.experiment.changing import refuse_what_cannot_change
from suite.experiment.networks import resolve_straggler
from suite.experiment.schema import Shared
from suite.record.specification import Data, Model, Optimizer, Replay, refuse_targets_without_evaluations


@dataclass(frozen=True)
class Case:
    """A point, with what `[run]` and the overrides say for it."""

    at: Any
    shared: Shared
    optimizer: Optimizer
    network: Network


def _takes_part(case: Case) -> None:
    name = case.at.algorithm.name
    try:
        case.at.algorithm.made.check(case.at.workers)
    except ValueError as error:
        raise ValueError(str(error) if name in str(error) else f"{name}: {error}") from error


def _runs_on(case: Case) -> None:
    if case.network.evidence == "simulated":
        return  # `refuse_what_has_no_virtual_form` sees the whole specification
    algorithm = case.at.algorithm
    choices.check_runs_on(algorithm.name, case.at.framework)
    made = algorithm.made
    if case.at.framework == "tensorflow" and isinstance(made, Rounds) and made.gives_up:
        raise ValueError(
            f"{algorithm.called()} does not run on tensorflow, whose steps cannot be left; exclude the pair"
        )


def _carries(case: Case) -> None:
    try:
        choices.refuse_unfit_form(case.at.wire, case.at.algorithm.made, case.at.workers)
    except ValueError as error:
        raise ValueError(f"{error}; exclude the pair") from error


# What refuses a combination: where in the file to say so, what else has to be known for it, and the check.
CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Case], object]], ...] = (
    ("algorithm", ("workers",), _takes_part),
    ("algorithm", ("framework",), _runs_on),
    ("wire", ("algorithm", "workers"), _carries),
    ("straggler", ("workers",), lambda case: resolve_straggler(case.at.straggler, case.at.workers)),
    (
        "faults",
        ("workers", "algorithm", "network", "framework", "steps", "evaluate_every"),
        lambda case: refuse_what_cannot_change(case.at, case.network, case.shared),
    ),
    ("framework", ("optimizer",), lambda case: choices.checked_optimizer(case.at.framework, case.optimizer)),
    ("network", ("workers",), lambda case: case.network.check_room(case.at.workers)),
    (
        "targets",
        ("evaluate_every",),
        lambda case: refuse_targets_without_evaluations(case.shared.targets, case.shared.evaluate_every),
    ),
)


def model(case: Case) -> Model:
    asked = case.at.model
    model = choices.resolve_model(asked.alone(), case.shared.data.name)
    if asked.replay is None:
        return model
    name = asked.replay.profile.replace("{framework}", case.at.framework)
    replay = Replay(**(asked.replay.model_dump() | {"profile": name}), digest=choices.profile_digest(name))
    return choices.resolve_replay(model, replay)


def data(shared: Shared, model: Model) -> Data:
    return choices.resolve_data(Data.model_validate(shared.data.model_dump()), model)


def batch_size(shared: Shared, workers: int) -> int:
    if shared.effective_batch_size is None:
        return shared.batch_size or 8
    if shared.effective_batch_size % workers:
        raise ValueError(f"effective_batch_size = {shared.effective_batch_size} cannot be shared by {workers} workers")
    return shared.effective_batch_size // workers
