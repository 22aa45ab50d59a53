"""Predictions written down before the runs that test them exist, and what became of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import AwareDatetime, Field, ValidationError

from suite.cluster.fingerprint import commit
from suite.experiment.plan import Plan
from suite.record.part import Part, Positive, PositiveNumber
from suite.record.schema import Record
from suite.record.specification import Specification
from suite.simulate.calibration import Calibration
from suite.simulate.recorded import CannotTellError, Run, label_of, run_of, seconds_of

SOURCES = Path(__file__).parents[2]


class Expectation(Part):
    """Of every run of one specification: seconds of a step's worth of used work, with what nine of ten runs fall into."""

    identity: str
    label: str
    algorithm: str
    workers: Positive
    seconds: PositiveNumber | None = None
    low: PositiveNumber | None = None
    high: PositiveNumber | None = None
    floor: PositiveNumber | None = Field(default=None, description="bytes over the stated rate, and nothing else")
    not_predicted: str | None = None


class Sealed(Part):
    """The content of the file; `hash` is over all the rest."""

    version: Literal[1] = 1
    experiment: str
    created: AwareDatetime
    commit: str | None
    code: str = Field(description="sha256 over the sources of suite/simulate and algorithms")
    calibration: str = Field(description="sha256 of its content")
    fitted: tuple[str, ...]
    expectations: tuple[Expectation, ...]
    hash: str = ""

    def digest(self) -> str:
        content = self.model_dump(mode="json", exclude={"hash"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Create the file; what is sealed is never written over."""
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(self.model_dump_json(indent=1) + "\n")
        except FileExistsError:
            raise ValueError(f"{path} is there already: what is sealed is not written over") from None
        except OSError as error:
            raise ValueError(f"{path} cannot be written: {error.strerror}") from None

    @classmethod
    def read(cls, path: Path) -> Sealed:
        try:
            found = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if found.hash != found.digest():
            raise ValueError(
                f"{path} is not as it was sealed: its hash is {found.digest()[:12]}, not {found.hash[:12]}"
            )
        return found


def code_digest() -> str:
    """Of everything that a prediction depends on."""
    sources = sorted([*(SOURCES / "suite" / "simulate").rglob("*.py"), *(SOURCES / "algorithms").rglob("*.py")])
    total = hashlib.sha256()
    for path in sources:
        total.update(str(path.relative_to(SOURCES)).encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def seal(plan: Plan, calibration: Calibration, recorded: Iterable[Record]) -> Sealed:
    """Every specification of the plan; a ValueError where one has been recorded."""
    specifications: dict[str, Specification] = {run.identity: run.specification for run in plan.runs}
    known = sorted({record.identity for record in recorded} & specifications.keys())
    if known:
        raise ValueError(
            f"{len(known)} of the {len(specifications)} kinds of runs of {plan.experiment} are recorded already, first "
            f"{label_of(specifications[known[0]])}: only what nobody has seen can be sealed"
        )
    expectations = tuple(_expected(one, calibration) for one in specifications.values())
    sealed = Sealed(
        experiment=plan.experiment,
        created=datetime.now(UTC),
        commit=commit(),
        code=code_digest(),
        calibration=calibration.digest,
        fitted=calibration.fitted(),
        expectations=expectations,
    )
    return sealed.model_copy(update={"hash": sealed.digest()})


def _expected(specification: Specification, calibration: Calibration) -> Expectation:
    blank = Expectation(
        identity=specification.identity,
        label=label_of(specification),
        algorithm=specification.algorithm.name,
        workers=specification.workers,
    )
    if specification.framework not in calibration.reach.framework:
        return blank.model_copy(
            update={"not_predicted": f"calibrated with {', '.join(calibration.reach.framework)} alone"}
        )
    try:
        run = run_of(specification, cores=calibration.reach.cores, calibration=calibration)
    except CannotTellError as error:
        return blank.model_copy(update={"not_predicted": str(error)})
    seconds, low, high = expected(run, calibration.spread(run.machines))
    bare, *_ = expected(replace(run, machines=replace(run.machines, calibration=None, shared_cores=None)), 0.0)
    return blank.model_copy(update={"seconds": seconds, "low": low, "high": high, "floor": bare})


def expected(run: Run, spread: float) -> tuple[float, float, float]:
    """The mean, and the range that nine of ten runs fall into. `spread`: of the logarithm, from the calibration.

    A run's seed decides what its stragglers do, so that there is no luck in those.
    """
    mean = run.seconds(run.machines)
    return mean, mean * math.exp(-spread), mean * math.exp(spread)


@dataclass(frozen=True)
class Outcome:
    """An expectation beside what was recorded later."""

    expectation: Expectation
    observed: tuple[float, ...]  # of every run
    early: bool  # recorded before it was sealed: proves nothing

    @property
    def error(self) -> float | None:
        """Signed, as a share of the mean of the runs."""
        return self._against(self.expectation.seconds)

    @property
    def floor_error(self) -> float | None:
        return self._against(self.expectation.floor)

    @property
    def inside(self) -> int:
        """Runs within the interval."""
        one = self.expectation
        if one.low is None or one.high is None:
            return 0
        return sum(one.low <= seconds <= one.high for seconds in self.observed)

    def _against(self, seconds: float | None) -> float | None:
        if seconds is None or not self.observed:
            return None
        return seconds / float(np.exp(np.mean(np.log(self.observed)))) - 1


def check(sealed: Sealed, records: Iterable[Record]) -> list[Outcome]:
    """All that was expected, whatever came of it."""
    seconds: Mapping[str, list[float]] = defaultdict(list)
    early: set[str] = set()
    for record in records:
        took = seconds_of(record)
        if took is not None:
            seconds[record.identity].append(took)
            if record.created < sealed.created:
                early.add(record.identity)
    return [Outcome(one, tuple(seconds.get(one.identity, ())), one.identity in early) for one in sealed.expectations]


@dataclass(frozen=True)
class Verdict:
    """Over all that can be compared."""

    compared: int
    median: float
    worst: float
    inside: float  # share of runs in their interval
    floor_median: float


def verdict(outcomes: Iterable[Outcome]) -> Verdict | None:
    found = [one for one in outcomes if one.error is not None and not one.early]
    if not found:
        return None
    errors = [abs(one.error or 0.0) for one in found]
    floors = [abs(one.floor_error or 0.0) for one in found]
    runs = sum(len(one.observed) for one in found)
    return Verdict(
        len(found),
        float(np.median(errors)),
        max(errors),
        sum(one.inside for one in found) / runs,
        float(np.median(floors)),
    )
