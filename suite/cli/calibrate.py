"""`farandole calibrate`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.errors import OK, BadInputError, input_errors
from suite.cli.records import DEFAULT_FOLDER

EXAMPLE = "Example: farandole calibrate --experiment network --max-hosts 2 --framework torch --out here.json"


def calibrate(
    folder: Annotated[Path, typer.Option("--records", help="The folder of records.")] = DEFAULT_FOLDER,
    experiment: Annotated[list[str] | None, typer.Option(help="Only records of this experiment; repeatable.")] = None,
    framework: Annotated[list[str] | None, typer.Option(help="Only this framework; repeatable.")] = None,
    max_workers: Annotated[int | None, typer.Option(help="Only runs of at most so many workers.")] = None,
    max_hosts: Annotated[int | None, typer.Option(help="Only runs on at most so many hosts.")] = None,
    rate_mbit: Annotated[list[float] | None, typer.Option(help="Only networks of this rate; repeatable.")] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("calibration.json"),
) -> int:
    """Fit what cannot be looked up (latencies, costs of messages, own overhead) to records of training on few workers."""
    from suite.record.store import Store, StoreError
    from suite.simulate.calibrating import Choice, calibrate

    if not folder.is_dir():
        raise BadInputError(f"there is no folder {folder}; `farandole bench` makes records")
    if not out.parent.is_dir():
        raise BadInputError(f"--out {out}: there is no folder {out.parent}")
    try:
        records = Store(folder).read().records
    except StoreError as error:
        raise BadInputError(str(error)) from error
    choice = Choice(
        experiments=tuple(experiment or ()),
        frameworks=tuple(framework or ()),
        most_workers=max_workers,
        most_hosts=max_hosts,
        rates_mbit=tuple(rate_mbit or ()),
    )
    with input_errors():
        found, left_out = calibrate(records, choice)
    found.save(out)
    print(f"{out}: fitted to {len(found.runs)} kinds of runs of {'; '.join(found.records)}")
    for line in found.values.lines():
        print(f"  fitted    {line}")
    for why, count in left_out.items():
        print(f"  left out  {count} records: {why}")
    worst = sorted(found.runs, key=lambda run: -abs(run.error))
    errors = [abs(run.error) for run in worst]
    print(
        f"  misses    median {errors[len(errors) // 2]:.1%}, largest {errors[0]:.1%} (of what was fitted, not predicted)"
    )
    for run in worst[:5]:
        print(f"            {run.error:+.1%}  {run.label}")
    return OK
