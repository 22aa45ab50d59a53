"""From names and options, as people write them, to the resolved parts of a specification; and back to live objects.

Every refusal is a ValueError of one line with the offending value, what is allowed and the nearest match.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import algorithms
from algorithms.contract import Algorithm as Contract
from algorithms.contract import Reduction, Rounds
from algorithms.mechanisms.suggest import unknown
from algorithms.wire import NONE, fitting, named
from suite.data import NAMES as DATA_NAMES
from suite.experiment.controls import CONTROLS
from suite.models import Net, describe, profile
from suite.models.profile import Profile
from suite.record.part import Options, Value
from suite.record.specification import Algorithm, Data, Model, Optimizer, Replay, Specification

# How many classes the head needs; synthetic data takes whatever the head has.
REPLAY_INPUT = (8, 8, 3)
DATA_CLASSES = {"digits": 10, "fashion-mnist": 10, "cifar10": 10, "imagenet": 1000}
IMAGES = tuple(name for name in DATA_NAMES if name != "tokens")


def algorithm_names(framework: str | None = None) -> tuple[str, ...]:
    """What an experiment may compare; `torch_ddp` only where torch runs."""
    names = [name for name, kind in algorithms.CATALOGUE.items() if not kind.virtual_only]
    controls = [name for name in CONTROLS if framework in (None, "torch") or name != "torch_ddp"]
    return (*names, *controls)


def make_algorithm(name: str, options: Mapping[str, Any]) -> Any:
    """The live object, an `algorithms.Algorithm` or a control. It checks itself."""
    if name not in algorithms.CATALOGUE and name not in CONTROLS:
        raise ValueError(unknown("algorithm", name, algorithm_names()))
    kind: Any = algorithms.CATALOGUE.get(name) or CONTROLS[name]
    known = [field.name for field in dataclasses.fields(kind) if field.init]
    for key in options:
        if key not in known:
            raise ValueError(
                unknown(f"option of {name}", key, known) if known else f"{name} has no options, not {key!r}"
            )
    try:
        return kind(**options)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def refuse_unfit_form(form: str, algorithm: Any, workers: int) -> None:
    """ValueError where what this algorithm, or control, sends cannot travel in this form."""
    if isinstance(algorithm, Contract):
        fitting(form, algorithm, workers)
    elif named(form) != NONE:
        raise ValueError(f"wire={form!r}: must be 'none' with {algorithm.name}, a control that sends without Farandole")


def check_runs_on(name: str, framework: str) -> None:
    """Refuse an algorithm that real ranks of this framework cannot run."""
    if name in algorithm_names(framework):
        return
    if name in algorithms.CATALOGUE:
        raise ValueError(f"algorithm {name!r} runs in the virtual cluster only; known: {', '.join(algorithm_names())}")
    raise ValueError(f"{name} does not run on {framework}; exclude the pair")


def needs_mpi(specification: Specification) -> bool:
    """Whether the ranks must talk through MPI: Horovod's Adasum knows nothing else. The rest goes over Gloo everywhere."""
    kind = algorithms.CATALOGUE.get(specification.algorithm.name)
    if kind is None or not issubclass(kind, Rounds):
        return False
    return specification.workers > 1 and kind.reduction is Reduction.ADASUM


def written_out(made: Any) -> Algorithm:
    """With every option filled in, so that a changed default is another run."""
    filled: Options = {
        field.name: _plain(getattr(made, field.name)) for field in dataclasses.fields(made) if field.init
    }
    return Algorithm(name=made.name, options=filled)


def checked_optimizer(framework: str, optimizer: Optimizer) -> Optimizer:
    """Refuse what the two frameworks mean different things by."""
    if framework == "tensorflow" and optimizer.weight_decay and optimizer.name != "adamw":
        raise ValueError(
            f"weight_decay with {optimizer.name} is a term of the gradient in torch and a shrinking of the weights in "
            "Keras: no comparison. Use adamw, or torch alone"
        )
    return optimizer


def resolve_model(model: Model, data: str) -> Model:
    """Image size and classes filled in: the model's own, but as many classes as the data has."""
    net = net_of(model)
    if data in DATA_CLASSES and model.classes is None and net.answers == "classes":
        net = net_of(model.model_copy(update={"classes": DATA_CLASSES[data]}))
    # What a net of tokens takes is no image: its length is an option.
    image = None if net.inputs == "tokens" else net.input_shape[0]
    return model.model_copy(update={"image": image, "classes": net.classes})


def resolve_data(data: Data, model: Model) -> Data:
    """Made-up data are of the kind that the net takes; data of another kind are refused."""
    if model.replay is not None:  # takes anything
        return data
    takes = net_of(model).inputs
    if takes == "tokens" and data.name == "synthetic":
        return data.model_copy(update={"name": "tokens"})
    if (takes == "tokens") != (data.name == "tokens"):
        fitting = "'tokens'" if takes == "tokens" else "images: " + ", ".join(repr(one) for one in IMAGES)
        raise ValueError(f"data set {data.name!r} is not what {model.name} takes; it takes {fitting}")
    return data


def resolve_replay(model: Model, replay: Replay) -> Model:
    """Refuses a profile of another net, and pins the profile's content."""
    find_profile(replay.profile).require(net_of(model))
    return model.model_copy(update={"replay": replay})


def profile_digest(name_or_path: str) -> str:
    return hashlib.sha256(find_profile(name_or_path).model_dump_json().encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def find_profile(name_or_path: str) -> Profile:
    return profile.find(name_or_path)


def replayed_profile(replay: Replay) -> Profile:
    """The profile as the run uses it. Refused if the file changed since the run was planned."""
    found = find_profile(replay.profile)
    if profile_digest(replay.profile) != replay.digest:
        raise ValueError(f"profile {replay.profile} is not the one this run was planned with")
    # A replayed net looks at a few values of its input only, so nobody needs to make pictures of the real size for it.
    found = found.model_copy(update={"input_shape": REPLAY_INPUT}).scaled(size=replay.size, time=replay.time)
    if replay.forward is not None and replay.backward is not None:
        found = found.lasting(replay.forward, replay.backward)
    return found


def net_of(model: Model) -> Net:
    """The description of the real net; replayed compute has its parameter tensors."""
    for key in model.options.keys() & {"name", "image", "width", "classes"}:
        raise ValueError(f"{key} of model {model.name} is a setting of its own, not an option")
    return _described(model.name, model.image, model.width, model.classes, tuple(sorted(model.options.items())))


@functools.lru_cache(maxsize=256)
def _described(name: str, image: int | None, width: float, classes: int | None, options: tuple[Any, ...]) -> Net:
    return describe(name, image=image, width=width, classes=classes, **dict(options))


def _plain(value: Any) -> Value | tuple[Value, ...]:
    if isinstance(value, list | tuple):
        return tuple(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"option value {value!r} cannot be written into a specification")
