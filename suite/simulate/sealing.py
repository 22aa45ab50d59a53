"""Predictions written down before the runs that test them exist."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
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


NOTHING_FITTED = "nothing was fitted: stated rates and latencies, profiles of the nets, and no cost of our own"


def seal(plan: Plan, calibrations: Sequence[Calibration], recorded: Iterable[Record]) -> Sealed:
    """Every specification of the plan; a ValueError where one has been recorded.

    `calibrations`: the first that knows a run's framework is its own. None where there is nothing yet to calibrate on: then
    predictions have no interval.
    """
    if not calibrations and any(run.specification.network.exists for run in plan.runs):
        raise ValueError("--seal needs --calibration, the file that `farandole calibrate` has written")
    kinds = {run.identity: run for run in plan.runs}
    known = sorted({record.identity for record in recorded} & kinds.keys())
    if known:
        raise ValueError(
            f"{len(known)} of the {len(kinds)} kinds of runs of {plan.experiment} are recorded already, first "
            f"{label_of(kinds[known[0]].specification)}: only what nobody has seen can be sealed"
        )
    runs = sorted(kinds.values(), key=lambda run: _place(run.specification))
    expectations = tuple(_expected(run.specification, run.labels.model, calibrations) for run in runs)
    sealed = Sealed(
        experiment=plan.experiment,
        created=datetime.now(UTC),
        commit=commit(),
        code=code_digest(),
        calibration=_digest(calibrations),
        fitted=tuple(line for one in calibrations for line in one.fitted()) or (NOTHING_FITTED,),
        expectations=expectations,
    )
    return sealed.model_copy(update={"hash": sealed.digest()})


def _place(one: Specification) -> tuple[object, ...]:
    """By what a reader looks for: net, network from slow to fast, straggler, algorithm, workers."""
    network = one.network
    wire = (network.rate_mbit or 0.0, -network.delay_ms)
    return one.framework, one.model.name, *wire, one.straggler or "", repr(one.algorithm), one.form, one.workers


def _digest(calibrations: Sequence[Calibration]) -> str | None:
    if len(calibrations) < 2:
        return calibrations[0].digest if calibrations else None
    return hashlib.sha256("".join(one.digest for one in calibrations).encode()).hexdigest()


def _expected(specification: Specification, net: str, calibrations: Sequence[Calibration]) -> Expectation:
    blank = Expectation(
        identity=specification.identity,
        label=label_of(specification),
        algorithm=specification.algorithm.name,
        options=specification.algorithm.options,
        workers=specification.workers,
        model=net,
        network=specification.network.describe(specification.workers),
        straggler=specification.straggler,
    )
    calibration = next((one for one in calibrations if specification.framework in one.reach.framework), None)
    if calibrations and calibration is None:
        known_frameworks = ", ".join(name for one in calibrations for name in one.reach.framework)
        return blank.model_copy(update={"not_predicted": f"calibrated with {known_frameworks} alone"})
    cores = calibration.reach.cores if calibration is not None and specification.network.exists else None
    try:
        run = run_of(specification, cores=cores, calibration=calibration)
    except CannotTellError as error:
        return blank.model_copy(update={"not_predicted": str(error)})
    bare, *_ = expected(replace(run, machines=replace(run.machines, calibration=None, shared_cores=None)), 0.0)
    known: dict[str, float | None] = {"alone": run.workload.step_seconds, "floor": bare}
    if calibration is None:
        return blank.model_copy(update=known | {"seconds": bare})
    seconds, low, high = expected(run, calibration.spread(run.machines))
    line = calibration.line(kind_of(specification), wire_seconds(run.workload, run.machines))
    return blank.model_copy(update=known | {"seconds": seconds, "low": low, "high": high, "line": line})


def expected(run: Run, spread: float) -> tuple[float, float, float]:
    """The mean, and the range that nine of ten runs fall into. `spread`: of the logarithm, from the calibration.

    A run's seed decides what its stragglers do, so that there is no luck in those.
    """
    mean = run.seconds(run.machines)
    return mean, mean * math.exp(-spread), mean * math.exp(spread)
