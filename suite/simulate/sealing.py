"""Predictions written down before the runs that test them exist."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from suite.cluster.fingerprint import commit
from suite.experiment.plan import Plan
from suite.record.schema import Record
from suite.record.sealed import Expectation, Sealed
from suite.record.specification import Specification
from suite.simulate.calibration import Calibration, wire_seconds
from suite.simulate.recorded import CannotTellError, Run, kind_of, label_of, run_of

SOURCES = Path(__file__).parents[2]


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
    line = calibration.line(kind_of(specification), wire_seconds(run.workload, run.machines))
    return blank.model_copy(update={"seconds": seconds, "low": low, "high": high, "floor": bare, "line": line})


def expected(run: Run, spread: float) -> tuple[float, float, float]:
    """The mean, and the range that nine of ten runs fall into. `spread`: of the logarithm, from the calibration.

    A run's seed decides what its stragglers do, so that there is no luck in those.
    """
    mean = run.seconds(run.machines)
    return mean, mean * math.exp(-spread), mean * math.exp(spread)
