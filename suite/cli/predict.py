"""`farandole predict`"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from suite.cli import sealed
from suite.cli.errors import OK, BadInputError
from suite.cli.records import DEFAULT_FOLDER

EXAMPLE = (
    "Example: farandole predict --model alexnet --compute 0.6 --algorithm layerwise --algorithm synchronous --workers 16 "
    "--per-host 1 --gbit 10 --latency-us 30"
)


def predict(
    experiment: Annotated[
        str | None, typer.Argument(help="With --seal: an experiment whose every run is predicted.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A shipped profile (alexnet, googlenet, gpt2), one by path, or any net with seconds in --compute."
        ),
    ] = None,
    compute: Annotated[
        str | None, typer.Option(help="Seconds of a step of one worker, or a profile (a name or a file).")
    ] = None,
    tensors: Annotated[
        Path | None, typer.Option(help="A net that is none of ours: CSV with the columns elements and backward_us.")
    ] = None,
    algorithm: Annotated[
        list[str] | None, typer.Option(help="As `delayed` or `delayed:steps=2`; repeatable; all: every one.")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the one algorithm, name=value; repeatable.")
    ] = None,
    workers: Annotated[int, typer.Option(help="How many.")] = 4,
    per_host: Annotated[int, typer.Option(help="Workers on one host, which share its link.")] = 1,
    gbit: Annotated[float, typer.Option(help="Rate of a host's link in each direction, Gbit/s.")] = 10.0,
    latency_us: Annotated[
        float | None, typer.Option(help="Of one hop between hosts, microseconds; default 30, or as calibrated.")
    ] = None,
    message_us: Annotated[float, typer.Option(help="What any exchange costs besides bytes and hops.")] = 0.0,
    contention: Annotated[float, typer.Option(help="Longer per further worker of a host, as a share.")] = 0.0,
    jitter: Annotated[float, typer.Option(help="Standard deviation of a worker's compute time, as a share.")] = 0.0,
    straggler: Annotated[str, typer.Option(help="For example lognormal:sigma=1,rank=1")] = "none",
    wire: Annotated[str, typer.Option(help="none, fp16, int16 or powersgd:rank=4.")] = "none",
    plan: Annotated[
        str | None, typer.Option(help="Carry tensors as others do: tensors (each alone), merged (MG-WFBP) or whole.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per worker and step; default: the profile's.")] = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(help="What `farandole calibrate` has written; with --seal one for each framework, repeatable."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps that are simulated.")] = 500,
    seed: Annotated[int, typer.Option()] = 0,
    seal: Annotated[
        bool, typer.Option("--seal", help="Write down what is expected of every run of EXPERIMENT.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="With --seal: the file to write; default: beside the records, for reports."),
    ] = None,
    check: Annotated[Path | None, typer.Option(help="Set this sealed file beside what was recorded.")] = None,
    folder: Annotated[
        Path, typer.Option("--records", help="For --seal and --check: the folder of records.")
    ] = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Say how long steps would take on machines that are not here (simulated; nothing runs)."""
    if check is not None:
        return sealed.check(check, folder)
    if seal != (experiment is not None):
        raise BadInputError("predict EXPERIMENT --seal: the two go together; else say --model and --algorithm")
    if experiment is not None:
        return sealed.seal(experiment, calibration or [], folder, out)
    if calibration and len(calibration) > 1:
        raise BadInputError("--calibration: one file; several are for --seal, one for each framework")
    from suite.cli import foretell
    from suite.cli.screen import wide_console

    asked = foretell.Asked(
        model=model,
        compute=compute,
        tensors=tensors,
        algorithms=tuple(algorithm or ()),
        options=tuple(options or ()),
        workers=workers,
        per_host=per_host,
        gbit=gbit,
        latency_us=latency_us,
        message_us=message_us,
        contention=contention,
        jitter=jitter,
        straggler=straggler,
        wire=wire,
        plan=plan,
        batch_size=batch_size,
        calibration=calibration[0] if calibration else None,
        steps=steps,
        seed=seed,
    )
    if not asked.algorithms:
        raise BadInputError("--algorithm is missing: one of `farandole list algorithms`, or all")
    foretold = foretell.foretell(asked)
    if as_json:
        found = [one.as_json() for one in foretold.predictions]
        print(json.dumps(found[0] if len(found) == 1 and not asked.several else {"predictions": found}, indent=1))
    else:
        wide_console().print(foretell.table(foretold))
    for line in foretold.notes:
        print(line, file=sys.stderr if as_json else sys.stdout)
    return OK
