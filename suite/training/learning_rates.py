"""Learning rates as pure functions of the step number (0 for the first update).

A rule is chosen by name and flat options:

    parse("warmup", 0.4, {"steps": 500, "then": "step", "every": 2000}).at(step)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field, model_validator

from algorithms.mechanisms.suggest import unknown
from suite.data.options import Options
from suite.data.options import parse as parse_options

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class Rule(Protocol):
    def at(self, step: int) -> float:
        """The learning rate of update number `step`."""


class Constant(Options):
    rate: Rate

    def at(self, step: int) -> float:
        return self.rate


class Step(Options):
    """rate * factor ^ floor(step / every): Caffe's "step" policy."""

    rate: Rate
    every: Positive
    factor: Rate = 0.1

    def at(self, step: int) -> float:
        return self.rate * self.factor ** (step // self.every)


class Milestones(Options):
    """The rate is multiplied by factors[i] from steps[i] on: the elastic paper divided by 5, then by 2 (ImageNet), each
    when the online loss saturated; which step that was, the experimenter says."""

    rate: Rate
    steps: tuple[Positive, ...]
    factors: tuple[Rate, ...]

    @model_validator(mode="after")
    def _matching(self) -> "Milestones":
        if len(self.steps) != len(self.factors) or list(self.steps) != sorted(set(self.steps)):
            raise ValueError(f"steps must ascend and have one factor each, not {self.steps} and {self.factors}")
        return self

    def at(self, step: int) -> float:
        rate = self.rate
        for begins, factor in zip(self.steps, self.factors, strict=True):
            if step >= begins:
                rate *= factor
        return rate


class Exponential(Options):
    """rate * factor ^ (step / every), smooth: the rule of the backup-worker paper (papers.md 2.2)."""

    rate: Rate
    every: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    factor: Rate

    def at(self, step: int) -> float:
        return self.rate * float(self.factor ** (step / self.every))


class Linear(Options):
    """`rate` until `begin`, then in a straight line to `final`, reached at `end`."""

    rate: Rate
    begin: Count
    end: Positive
    final: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _forward(self) -> "Linear":
        if self.end <= self.begin:
            raise ValueError(f"end = {self.end} must lie behind begin = {self.begin}")
        return self

    def at(self, step: int) -> float:
        done = min(max(step - self.begin, 0) / (self.end - self.begin), 1.0)
        return self.rate + (self.final - self.rate) * done


@dataclass(frozen=True, kw_only=True)
class Warmup:
    """A share of another rule's rate that grows in a straight line from `start` to all of it over the first `steps`."""

    then: Rule
    steps: int
    start: float

    def at(self, step: int) -> float:
        share = 1.0 if step >= self.steps else self.start + (1 - self.start) * step / self.steps
        return share * self.then.at(step)


class _WarmupOptions(Options):
    steps: Positive
    start: Annotated[float, Field(ge=0, le=1)] = 0.1


WARMUP = "warmup"
NAMES: tuple[str, ...] = ("constant", "step", "milestones", "exponential", "linear", WARMUP)


def parse(name: str, rate: float, options: Mapping[str, object]) -> Rule:
    """The rule of that name with that (first) rate. What "warmup" does not know belongs to its option `then`, a rule."""
    what = f"learning-rate rule {name!r}"
    if name == WARMUP:
        own = {key: value for key, value in options.items() if key in _WarmupOptions.model_fields}
        others = {key: value for key, value in options.items() if key not in own and key != "then"}
        chosen = parse_options(_WarmupOptions, what, own)
        then = options.get("then", "constant")
        if then == WARMUP or not isinstance(then, str):
            raise ValueError(f"{what}, option then = {then!r}: one of {', '.join(NAMES[:-1])}")
        return Warmup(then=parse(then, rate, others), steps=chosen.steps, start=chosen.start)
    if "rate" in options:
        raise ValueError(f"{what}, option rate = {options['rate']!r}: the rate is the optimizer's learning rate")
    given = {**options, "rate": rate}
    match name:
        case "constant":
            return parse_options(Constant, what, given)
        case "step":
            return parse_options(Step, what, given)
        case "milestones":
            return parse_options(Milestones, what, given)
        case "exponential":
            return parse_options(Exponential, what, given)
        case "linear":
            return parse_options(Linear, what, given)
    raise ValueError(unknown("learning-rate rule", name, NAMES))
