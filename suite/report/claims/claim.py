"""The file of claims, and what a rule may answer."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# One says nothing about how another would have gone: too little to judge a paper by.
LEAST_RUNS = 2
FILE = Path(__file__).with_name("claims.toml")

Provenance = Literal["paper", "workshop version", "review", "authors' code", "derived"]
PROVENANCE: dict[Provenance, str] = {
    "paper": "read in the paper's full text",
    "workshop version": "read in the full text of the paper's earlier workshop version",
    "review": "quoted from the paper's public review thread; the table itself could not be read",
    "authors' code": "read in the authors' public code",
    "derived": "derived from the paper's model, not stated in it",
}
RuleName = Literal[
    "reaches",
    "faster",
    "needs samples",
    "final accuracy",
    "grows with",
    "staleness",
    "exposed share",
    "layer bound",
    "order statistics",
    "best split",
    "stable beside",
]
Option = bool | int | float | str | None


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Select(_Strict):
    """Arms by the algorithm's name and options."""

    name: str
    options: dict[str, Option] = Field(default_factory=dict)
    other_than: dict[str, Option] = Field(default_factory=dict)
    above: dict[str, float] = Field(default_factory=dict)

    def matches(self, name: str, options: dict[str, object]) -> bool:
        if name != self.name:
            return False
        if any(options.get(key) != value for key, value in self.options.items()):
            return False
        if any(options.get(key) == value for key, value in self.other_than.items()):
            return False
        found = {key: options.get(key) for key in self.above}
        return all(isinstance(value, int | float) and value > self.above[key] for key, value in found.items())


class Terms(_Strict):
    """What a rule is told; which of these it reads stands with the rule."""

    first: Select | None = None
    second: tuple[Select, ...] = ()
    value: float | None = None
    wanted: float | None = None
    margin: float = 0.0
    stragglers: bool = False
    of: Literal["synchronous", "ceiling"] = "synchronous"
    target: Literal["lowest", "highest"] = "highest"
    tuning: Literal["best", "same"] = "best"
    expect: Literal["more", "fewer", "higher", "lower", "same", "zero", "workers - 1", "steps"] | None = None
    option: str = ""
    of_runs: Literal["samples", "error"] = Field(
        default="samples", description="what grows: samples to a target, or the last error"
    )
    absent: str = Field(default="", description="why there may be no records of the second")


class Paper(_Strict):
    cited: str
    full: str


class Claim(_Strict):
    name: str = Field(pattern=r"^[a-z0-9-]+$")
    line: str = Field(description="the claim in a line", max_length=60)
    theirs: str = Field(description="the paper's figure, in a word or two", max_length=40)
    says: str
    paper: str = Field(description="a key of the file's papers")
    figure: str = Field(description="the paper's, in its words or numbers")
    provenance: Provenance
    tested_by: tuple[str, ...] = Field(description="experiments whose records count")
    rule: RuleName
    terms: Terms = Terms()
    caveat: str = Field(default="", description="how what is tested differs from what the paper did")


class LeftOut(_Strict):
    """A published number, and what it is once what it leaves out counts."""

    source: str
    says: str
    theirs: str
    corrected: str


class File(_Strict):
    paper: dict[str, Paper]
    left_out: tuple[LeftOut, ...] = ()
    claim: tuple[Claim, ...]

    @model_validator(mode="after")
    def _papers_known(self) -> File:
        unknown = {claim.paper for claim in self.claim} - set(self.paper)
        if unknown:
            raise ValueError(f"paper {sorted(unknown)[0]!r}: one of {', '.join(self.paper)}")
        return self


class Judgement(StrEnum):
    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not confirmed"
    REFUTED = "refuted"
    NOT_TESTABLE = "not testable here"


@dataclass(frozen=True)
class Finding:
    judgement: Judgement
    figure: str  # ours, with its interval; empty where there is none
    because: str
    apart: str = ""  # how far ours is from theirs, where theirs is a number that ours can be set beside

    @property
    def short(self) -> str:
        """The figure without where it comes from; the first of several."""
        return re.split(r" \(| at best|,? against| to \d|; |, predicted", self.figure)[0]


def load(path: Path = FILE) -> File:
    return File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def untestable(because: str) -> Finding:
    return Finding(Judgement.NOT_TESTABLE, "", because)


def majority(right: int, wrong: int, count: int) -> Judgement:
    """Most of them say what the claim says and none the opposite; or the reverse."""
    if wrong == 0 and right * 2 > count:
        return Judgement.CONFIRMED
    return Judgement.REFUTED if right == 0 and wrong * 2 > count else Judgement.NOT_CONFIRMED
