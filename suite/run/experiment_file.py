"""The schema of an experiment file. What a name means (an algorithm, a model, a data set) is checked here too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from suite.cluster import presets, stragglers
from suite.data import NAMES as DATA_NAMES
from suite.run import choices
from suite.run.specification import (
    Count,
    Data,
    Horovod,
    Interface,
    Model,
    NonNegative,
    Optimizer,
    Options,
    Port,
    Positive,
    PositiveNumber,
    Share,
    refuse_what_is_for_hosts,
)
from suite.suggest import unknown
from suite.training import learning_rates

AXES = ("framework", "model", "algorithm", "workers", "network", "straggler", "learning_rate", "seed")


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _arrays(value: Any) -> Any:
    """Behind a validator of our own, pydantic takes the file's arrays for lists, and strictly a list is no tuple."""
    if isinstance(value, dict):
        return {key: _arrays(item) for key, item in value.items()}
    return tuple(map(_arrays, value)) if isinstance(value, list) else value


def _named(*own: str) -> Callable[[Any], Any]:
    """A bare string is a name; keys that the choice does not know by itself are options of what is named."""

    def spread(value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict):
            known = {"name", "label", *own}
            options = {key: item for key, item in value.items() if key not in known}
            chosen = {key: item for key, item in value.items() if key in known}
            return _arrays(chosen | ({"options": options} if options else {}))
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


class NetworkChoice(Strict):
    """`"local"`, `{ file = "machines" }`, `{ rate_mbit = 400 }` or `{ preset = "1GbE", scale = 0.4 }`.

    Hosts: `file` is a host file (`name slots=N` per line); `interfaces`, `ssh_port` and `ssh_identity_file` go to
    horovodrun. Emulated: one host per worker unless `hosts` says otherwise.
    """

    name: Literal["local", "hosts", "emulated"] = "emulated"
    label: str | None = None
    hosts: Positive | None = None
    rate_mbit: PositiveNumber | None = None
    delay_ms: NonNegative = 0.0
    loss: Share = 0.0
    preset: str | None = None
    scale: PositiveNumber | None = Field(
        default=None, description="of a preset's rate; the presets' common one if unset"
    )
    file: str | None = None
    interfaces: tuple[Interface, ...] | None = Field(default=None, min_length=1)
    ssh_port: Port | None = None
    ssh_identity_file: str | None = None

    @model_validator(mode="after")
    def _known(self) -> NetworkChoice:
        if self.name != "emulated" and (self.preset is not None or self.scale is not None):
            raise ValueError(f"preset and scale shape an emulated network, not one of kind {self.name!r}")
        if self.name != "hosts":
            refuse_what_is_for_hosts(self, self.name)
        if self.preset is not None:
            presets.find(self.preset)
            if self.rate_mbit is not None:
                raise ValueError("preset and rate_mbit both set the rate; keep one")
        elif self.scale is not None:
            raise ValueError("scale scales a preset; without one, write the rate_mbit you mean")
        elif self.name == "emulated" and self.rate_mbit is None:
            raise ValueError("an emulated network needs rate_mbit or preset")
        if self.name == "hosts" and self.file is None:
            raise ValueError("a network of kind hosts needs file, the host file")
        return self


def _network(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "name" not in value and "file" in value:
        value = {"name": "hosts"} | value
    return _arrays(value)


def _optimizer(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else _arrays(value)


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
    targets: tuple[PositiveNumber, ...] = ()
    stop_at_target: bool = False
    steps_per_execution: Positive = 1
    agreement_every: Count = 0
    device: Literal["cpu", "gpu"] = "cpu"
    threads: Positive = 1
    horovod: Horovod = Horovod()

    @field_validator("optimizer", mode="after")
    @classmethod
    def _known_schedule(cls, optimizer: Optimizer) -> Optimizer:
        learning_rates.parse(optimizer.schedule.rule, optimizer.learning_rate, optimizer.schedule.options)
        return optimizer

    @model_validator(mode="after")
    def _one_batch_size(self) -> Shared:
        if self.batch_size is not None and self.effective_batch_size is not None:
            raise ValueError("batch_size and effective_batch_size say the same thing twice; keep one")
        return self


def _readable(straggler: str) -> str:
    if straggler != "none":
        stragglers.parse(straggler)
    return straggler


class Axes(Strict):
    framework: tuple[Literal["torch", "tensorflow"], ...] = Field(min_length=1)
    model: tuple[Annotated[ModelChoice, BeforeValidator(_named("image", "width", "classes", "replay"))], ...] = Field(
        min_length=1
    )
    algorithm: tuple[Annotated[AlgorithmChoice, BeforeValidator(_named())], ...] = Field(min_length=1)
    workers: tuple[Positive, ...] = Field(default=(2,), min_length=1)
    network: tuple[Annotated[NetworkChoice, BeforeValidator(_network)], ...] = Field(
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
