"""The schema of an experiment file. What a name means (an algorithm, a model, a data set) is checked here too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from algorithms.wire import named
from suite.cluster import stragglers
from suite.data import NAMES as DATA_NAMES
from suite.experiment import choices
from suite.experiment.network_choice import NetworkChoice, spelled_out
from suite.experiment.strict import Strict, arrays
from suite.record.specification import (
    Count,
    Data,
    Horovod,
    Model,
    NonNegative,
    Optimizer,
    Options,
    Positive,
    PositiveNumber,
    ascending,
)
from suite.suggest import unknown
from suite.training import learning_rates

AXES = ("framework", "model", "algorithm", "wire", "workers", "network", "straggler", "learning_rate", "seed")


def _named(*own: str) -> Callable[[Any], Any]:
    """A bare string is a name; keys that the choice does not know by itself are options of what is named."""

    def spread(value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict):
            known = {"name", "label", *own}
            options = {key: item for key, item in value.items() if key not in known}
            chosen = {key: item for key, item in value.items() if key in known}
            return arrays(chosen | ({"options": options} if options else {}))
        return value

    return spread


class Choice(Strict):
    name: str
    label: str | None = None
    options: Options = Field(default_factory=dict)

    def called(self) -> str:
        """What people read: the label, or the name with what was chosen for it."""
        chosen = [f"{key}={_short(value)}" for key, value in self.options.items()]
        return self.label or self.name + (f"({', '.join(chosen)})" if chosen else "")


class AlgorithmChoice(Choice):
    @model_validator(mode="after")
    def _known(self) -> AlgorithmChoice:
        choices.make_algorithm(self.name, self.options)
        return self


class ReplayChoice(Strict):
    """Checked in full when the run is resolved: the profile may differ by framework (`{framework}` in its name)."""

    profile: str
    size: PositiveNumber = 1.0
    time: PositiveNumber = 1.0
    forward: NonNegative | None = None
    backward: NonNegative | None = None


class ModelChoice(Choice):
    image: Positive | None = None
    width: PositiveNumber = 1.0
    classes: Positive | None = None
    replay: ReplayChoice | None = None

    @model_validator(mode="after")
    def _known(self) -> ModelChoice:
        choices.net_of(self.model())
        return self

    def model(self) -> Model:
        return Model(name=self.name, image=self.image, width=self.width, classes=self.classes, options=self.options)

    def called(self) -> str:
        sizes = {"image": self.image, "width": None if self.width == 1 else self.width, "classes": self.classes}
        chosen = [f"{key}={_short(value)}" for key, value in (sizes | self.options).items() if value is not None]
        chosen += ["replayed"] * (self.replay is not None)
        return self.label or self.name + (f"({', '.join(chosen)})" if chosen else "")


def _optimizer(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else arrays(value)


class DataChoice(Data):
    @model_validator(mode="after")
    def _known(self) -> DataChoice:
        if self.name not in DATA_NAMES:
            raise ValueError(unknown("data set", self.name, DATA_NAMES))
        return self


class Shared(Strict):
    """What all runs have in common; the fields mean what they mean in a specification."""

    data: Annotated[DataChoice, BeforeValidator(_named("folder"))] = DataChoice()
    optimizer: Annotated[Optimizer, BeforeValidator(_optimizer)] = Optimizer()
    batch_size: Positive | None = Field(default=None, description="per worker")
    effective_batch_size: Positive | None = Field(default=None, description="of all workers together")
    steps: Positive = 20
    warmup: Count = 3
    evaluate_every: Count = 0
    evaluate_samples: Positive | None = None
    targets: Annotated[tuple[PositiveNumber, ...], AfterValidator(ascending)] = ()
    stop_at_target: bool = False
    steps_per_execution: Positive = 1
    agreement_every: Count = 0
    device: Literal["cpu", "gpu"] = "cpu"
    threads: Positive = 1
    horovod: Horovod = Horovod()
    measure_memory: Literal[True] | None = None

    @field_validator("optimizer", mode="after")
    @classmethod
    def _known_schedule(cls, optimizer: Optimizer) -> Optimizer:
        learning_rates.parse(optimizer.schedule.rule, optimizer.learning_rate, optimizer.schedule.options)
        return optimizer

    @field_validator("effective_batch_size")
    @classmethod
    def _one_batch_size(cls, size: int, info: ValidationInfo) -> int:
        if info.data.get("batch_size") is not None:
            raise ValueError("batch_size and effective_batch_size say the same thing twice; keep one")
        return size


def _readable(straggler: str) -> str:
    if straggler != "none":
        stragglers.parse(straggler)
    return straggler


def _form(asked: Any) -> str:
    """A name, with options behind colons, or a table with a name; as the name is written."""
    return str(named(asked))


class Axes(Strict):
    framework: tuple[Literal["torch", "tensorflow"], ...] = Field(min_length=1)
    model: tuple[Annotated[ModelChoice, BeforeValidator(_named("image", "width", "classes", "replay"))], ...] = Field(
        min_length=1
    )
    algorithm: tuple[Annotated[AlgorithmChoice, BeforeValidator(_named())], ...] = Field(min_length=1)
    wire: tuple[Annotated[str, BeforeValidator(_form)], ...] = Field(default=("none",), min_length=1)
    workers: tuple[Positive, ...] = Field(default=(2,), min_length=1)
    network: tuple[Annotated[NetworkChoice, BeforeValidator(spelled_out)], ...] = Field(
        default=(NetworkChoice(name="local"),), min_length=1
    )
    straggler: tuple[Annotated[str, AfterValidator(_readable)], ...] = Field(default=("none",), min_length=1)
    learning_rate: tuple[PositiveNumber, ...] | None = Field(
        default=None,
        min_length=1,
        description="in place of the optimizer's: the same tuning budget for every algorithm",
    )
    seed: tuple[Count, ...] = Field(default=(0,), min_length=1)


Selector = str | int | float | tuple[str | int | float, ...]


class Where(Strict):
    """Runs whose labels (or plain names) are among these; axes that are not mentioned may be anything."""

    framework: Selector | None = None
    model: Selector | None = None
    algorithm: Selector | None = None
    wire: Selector | None = None
    workers: Selector | None = None
    network: Selector | None = None
    straggler: Selector | None = None
    learning_rate: Selector | None = None
    seed: Selector | None = None

    def matches(self, called: Mapping[str, tuple[object, ...]]) -> bool:
        for axis in AXES:
            wanted = getattr(self, axis)
            if wanted is not None:
                among = wanted if isinstance(wanted, tuple) else (wanted,)
                if not any(name in among for name in called[axis]):
                    return False
        return True

    def axes(self) -> set[str]:
        return {axis for axis in AXES if getattr(self, axis) is not None}


class Override(Strict):
    where: Where
    set: dict[str, Any]


class Exclude(Strict):
    where: Where


class ExperimentFile(Strict):
    question: str = Field(min_length=1)
    title: str = ""
    minutes: PositiveNumber | None = Field(default=None, description="how long it should take; shown, not enforced")
    repetitions: Positive = 1
    order_seed: Count = 0
    run: Shared = Shared()
    axes: Axes
    override: tuple[Override, ...] = ()
    exclude: tuple[Exclude, ...] = ()


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
