"""`farandole predict EXPERIMENT --seal`, and `farandole predict --check`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from suite.cli.errors import FAILED, OK, BadInputError, input_errors

if TYPE_CHECKING:
    from suite.record.schema import Record
    from suite.record.sealed import Expectation, Sealed


def seal(experiment: str, calibrations: Sequence[Path], records: Path, out: Path | None) -> int:
    """Write down what is expected of every run of an experiment."""
    from suite.experiment import file as experiments
    from suite.experiment.plan import expand
    from suite.simulate import Calibration, sealing

    with input_errors():
        plan = expand(experiments.load(experiment))
        sealed = sealing.seal(plan, list(map(Calibration.read, calibrations)), read(records))
        path = out or _beside(records, sealed)
        if out is not None:
            sealed.save(out)
    missing = [one for one in sealed.expectations if one.not_predicted]
    print(
        f"{path}: {len(sealed.expectations) - len(missing)} kinds of runs of {plan.experiment}, hash {sealed.hash[:16]}"
    )
    for line in sealed.fitted:
        print(f"  {line}")
    for one in missing:
        print(f"  not predicted: {one.label}: {one.not_predicted}")
    return OK


def _beside(records: Path, sealed: Sealed) -> Path:
    """Where reports look for it."""
    from suite.record.store import Store, StoreError

    try:
        with Store(records).writing() as writer:
            return writer.seal(sealed)
    except StoreError as error:
        raise BadInputError(str(error)) from error


def check(path: Path, records: Path) -> int:
    """Set what was sealed beside what was recorded. Exit code 1 where nothing can be compared."""
    from suite.record.sealed import Sealed
    from suite.report import foretold

    with input_errors():
        sealed = Sealed.read(path)
    outcomes = foretold.check(sealed, read(records))
    print(
        f"sealed {sealed.created:%Y-%m-%d %H:%M} UTC, hash {sealed.hash[:16]}; predicted / recorded, seconds of used work"
    )
    for one in sorted(outcomes, key=lambda one: -abs(one.error or 0.0)):
        expected = one.expectation
        if one.error is None or one.floor_error is None or expected.seconds is None:
            print(f"     -              {expected.label}: {expected.not_predicted or 'not recorded'}")
            continue
        late = "  recorded before it was sealed" if one.early else ""
        line = "      -" if one.line_error is None else f"{one.line_error:+7.1%}"
        print(
            f"{one.error:+7.1%}  floor {one.floor_error:+7.1%}  line {line}  {expected.seconds:8.4f} "
            f"{_within(expected)} / {one.recorded:8.4f}  {one.inside} of {len(one.observed)} inside  {expected.label}{late}"
        )
    found = foretold.verdict(outcomes)
    if found is None:
        print("nothing to compare: no run was recorded after it was sealed")
        return FAILED
    print(
        f"{found.compared} kinds of runs: median error {found.median:.1%}, largest {found.worst:.1%}, "
        f"{found.inside:.0%} of the runs inside their 90 % interval; median error of the floor {found.floor_median:.1%}"
        + (f", of straight lines {found.line_median:.1%}" if found.line_median is not None else "")
    )
    return OK


def _within(one: Expectation) -> str:
    return "[no interval]" if one.low is None or one.high is None else f"[{one.low:.4f}, {one.high:.4f}]"


def read(folder: Path) -> tuple[Record, ...]:
    from suite.record.store import Store, StoreError

    if not folder.exists():
        return ()
    try:
        return tuple(Store(folder).read().records)
    except StoreError as error:
        raise BadInputError(str(error)) from error
