"""How an experiment file writes each axis: a list of values, each checked by itself.

A row of `suite.record.axes` and a field of `Axes` make an axis. What its values mean for a run is the field of the same
name in `suite.record.specification`; what they do not go together with, a row of `suite.experiment.combinations.CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, create_model, model_validator

from algorithms.wire import named as form
from suite.cluster import stragglers
from suite.cluster.kinds import asked
from suite.cluster.local import LocalNetwork
from suite.cluster.network import Network
from suite.experiment import choices
from suite.experiment.written import arrays, named
from suite.record import faults
from suite.record.axes import AXES
from suite.record.part import Count, NonNegative, Part, Positive, PositiveNumber
from suite.record.specification import Algorithm, Model


class AlgorithmChoice(Algorithm):
    label: str | None = None

    @cached_property
    def made(self) -> Any:
        """The live object, as `Live.algorithm` is."""
        return choices.make_algorithm(self.name, self.options)

    @model_validator(mode="after")
    def _known(self) -> AlgorithmChoice:
        self.made  # noqa: B018  made now, so that what is wrong with it is told with its line
        return self

    def called(self) -> str:
        return self.label or _called(self.name, self.options)


class ReplayChoice(Part):
    """Checked in full when the run is resolved: the profile may differ by framework (`{framework}` in its name)."""

    profile: str
    size: PositiveNumber = 1.0
    time: PositiveNumber = 1.0
    forward: NonNegative | None = None
    backward: NonNegative | None = None


class ModelChoice(Model):
    label: str | None = None
    replay: ReplayChoice | None = None  # type: ignore[assignment]  # without the digest, which the run will pin

    @model_validator(mode="after")
    def _known(self) -> ModelChoice:
        choices.net_of(self)
        return self

    def alone(self) -> Model:
        """Without what is replayed."""
        return Model(**self.model_dump(exclude={"label", "replay"}))

    def called(self) -> str:
        sizes = {"image": self.image, "width": None if self.width == 1 else self.width, "classes": self.classes}
        written = {key: value for key, value in (sizes | self.options).items() if value is not None}
        return self.label or _called(self.name, written, *["replayed"] * (self.replay is not None))


def _called(name: str, options: Mapping[str, Any], *others: str) -> str:
    """What people read: the name with what was chosen for it."""
    chosen = [*(f"{key}={_short(value)}" for key, value in options.items()), *others]
    return name + (f"({', '.join(chosen)})" if chosen else "")


def _read_by(parse: Callable[[str], object]) -> AfterValidator:
    """The text "none", or one that this can read."""

    def readable(text: str) -> str:
        if text != "none":
            parse(text)
        return text

    return AfterValidator(readable)


STRAGGLER, FAULT = _read_by(stragglers.parse), _read_by(faults.parse)


def _network(value: Any) -> Network:
    return asked(arrays(value))


def _form(asked: Any) -> str:
    """A name, with options behind colons, or a table with a name; as the name is written."""
    return str(form(asked))


class Axes(Part):
    framework: tuple[Literal["torch", "tensorflow"], ...] = Field(min_length=1)
    model: tuple[Annotated[ModelChoice, BeforeValidator(named("image", "width", "classes", "replay"))], ...] = Field(
        min_length=1
    )
    algorithm: tuple[Annotated[AlgorithmChoice, BeforeValidator(named())], ...] = Field(min_length=1)
    wire: tuple[Annotated[str, BeforeValidator(_form)], ...] = Field(default=("none",), min_length=1)
    workers: tuple[Positive, ...] = Field(default=(2,), min_length=1)
    network: tuple[Annotated[Network, BeforeValidator(_network)], ...] = Field(default=(LocalNetwork(),), min_length=1)
    straggler: tuple[Annotated[str, STRAGGLER], ...] = Field(default=("none",), min_length=1)
    faults: tuple[Annotated[str, FAULT], ...] = Field(default=("none",), min_length=1)
    learning_rate: tuple[PositiveNumber, ...] | None = Field(
        default=None,
        min_length=1,
        description="in place of the optimizer's: the same tuning budget for every algorithm",
    )
    seed: tuple[Count, ...] = Field(default=(0,), min_length=1)


Selector = str | int | float | tuple[str | int | float, ...]

_EveryAxis = create_model("_EveryAxis", __base__=Part, **dict.fromkeys(AXES, (Selector | None, None)))  # type: ignore[call-overload]


class Where(_EveryAxis):  # type: ignore[misc, valid-type]  # a field for each row of the table
    """Runs whose labels (or plain names) are among these; axes that are not mentioned may be anything."""

    def matches(self, called: Mapping[str, tuple[object, ...]]) -> bool:
        return all(any(name in wanted for name in called[axis]) for axis, wanted in self._wanted().items())

    def axes(self) -> set[str]:
        return set(self._wanted())

    def _wanted(self) -> dict[str, tuple[object, ...]]:
        said = {axis: getattr(self, axis) for axis in AXES}
        return {axis: one if isinstance(one, tuple) else (one,) for axis, one in said.items() if one is not None}


def names(value: Any, label: str) -> tuple[object, ...]:
    """Every name that a value of an axis answers to: its label, and its name without options."""
    if isinstance(value, AlgorithmChoice | ModelChoice):
        return (label, value.name)
    if isinstance(value, Network):
        return (label, value.kind)
    return (value, value.split(":")[0]) if isinstance(value, str) else (value,)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
