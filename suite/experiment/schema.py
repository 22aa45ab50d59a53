"""The schema of an experiment file. What a name means (an algorithm, a model, a data set) is checked here too."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from algorithms.mechanisms.suggest import unknown
from suite.data import NAMES as DATA_NAMES
from suite.experiment.axes import Axes, Where
from suite.experiment.written import arrays, named
from suite.record.part import Count, Part, Positive, PositiveNumber
from suite.record.specification import Data, Optimizer, Settings
from suite.training import learning_rates


def _optimizer(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else arrays(value)


class DataChoice(Data):
    @model_validator(mode="after")
    def _known(self) -> DataChoice:
        if self.name not in DATA_NAMES:
            raise ValueError(unknown("data set", self.name, DATA_NAMES))
        return self


class Shared(Settings):
    """What all runs have in common."""

    data: Annotated[DataChoice, BeforeValidator(named("folder"))] = DataChoice()
    optimizer: Annotated[Optimizer, BeforeValidator(_optimizer)] = Optimizer()
    batch_size: Positive | None = Field(default=None, description="per worker")
    effective_batch_size: Positive | None = Field(default=None, description="of all workers together")

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


class Override(Part):
    where: Where
    set: dict[str, Any]


class Exclude(Part):
    where: Where


class Tuning(Part):
    """Where every learning rate is tried; elsewhere each contender is run at that alone which was its best there."""

    where: Where


class ExperimentFile(Part):
    question: str = Field(min_length=1)
    title: str = ""
    minutes: PositiveNumber | None = Field(default=None, description="how long it should take; shown, not enforced")
    repetitions: Positive = 1
    order_seed: Count = 0
    run: Shared = Shared()
    axes: Axes
    tuning: Tuning | None = None
    override: tuple[Override, ...] = ()
    exclude: tuple[Exclude, ...] = ()
