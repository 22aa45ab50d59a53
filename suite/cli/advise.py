"""`farandole advise`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli.errors import OK, BadInputError, input_errors
from suite.cli.records import DEFAULT_FOLDER

if TYPE_CHECKING:
    from suite.simulate import Workload

EXAMPLE = (
    "Example: farandole advise --model my.nets:build --input 3x224x224 --batch-size 32 --workers 16 --per-host 4 "
    "--network 10GbE --html advice.html"
)


def advise(
    model: Annotated[str, typer.Option(help="module:name of your PyTorch module or Keras model; or a profiled net.")],
    workers: Annotated[int, typer.Option(help="How many.")],
    per_host: Annotated[int, typer.Option(help="Workers on one host, which share its link.")] = 1,
    network: Annotated[str, typer.Option(help="1GbE, 10GbE, ..., or a rate in Gbit/s.")] = "10GbE",
    latency_us: Annotated[
        float | None, typer.Option(help="Of one hop between hosts, microseconds; default 30, or as calibrated.")
    ] = None,
    straggler: Annotated[str, typer.Option(help="For example lognormal:sigma=1,mean=0.2x")] = "none",
    wire: Annotated[str, typer.Option(help="none, fp16, int16 or powersgd:rank=4.")] = "none",
    batch_size: Annotated[int, typer.Option(help="Samples per worker and step.")] = 32,
    input_: Annotated[
        str | None, typer.Option("--input", help="Sizes of one sample, as 3x224x224 (Keras: 224x224x3).")
    ] = None,
    compute: Annotated[
        str | None, typer.Option(help="Seconds of a step there, or a profile; default: timed here.")
    ] = None,
    calibration: Annotated[Path | None, typer.Option(help="What `farandole calibrate` has written.")] = None,
    folder: Annotated[Path, typer.Option("--records", help="Where evidence on convergence may be.")] = DEFAULT_FOLDER,
    html: Annotated[Path | None, typer.Option(help="Write one page with maps of the winners.")] = None,
) -> int:
    """Rank the algorithms for your net on machines that need not be here (simulated)."""
    from rich.table import Table

    from suite.cli.foretell import hop
    from suite.cli.known import sentences
    from suite.cli.screen import wide_console
    from suite.cli.sealed import read
    from suite.simulate import Calibration, Machines, advice_page
    from suite.simulate.advising import advise

    if html is not None and not html.parent.is_dir():
        raise BadInputError(f"--html {html}: there is no folder {html.parent}")
    with input_errors():
        known_costs = None if calibration is None else Calibration.read(calibration)
        machines = Machines(
            workers=workers,
            per_host=per_host,
            gbit=rate(network),
            latency_us=hop(latency_us, known_costs),
            stragglers=straggler,
            calibration=known_costs,
        )
        workload = _workload(model, compute, batch_size, input_)
        found = advise(workload, machines, wire=wire)
    known = "\n".join(sentences(read(folder), workload.name)) or advice_page.NO_EVIDENCE
    print(known, end="\n\n")
    print(advice_page.headline(found))
    print(advice_page.setting(found), end="\n\n")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for number, name in enumerate(
        ("algorithm", "samples/s", "90 % interval", "of ceiling", "network adds", "staleness", "memory", "same result")
    ):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in advice_page.rows(found):
        table.add_row(*row)
    wide_console().print(table)
    print(f"\n{advice_page.ties(found)}\n\n  {advice_page.code(found)}\n\nWhat would change the answer:")
    for line in advice_page.change_lines(found) or ["nothing within the ranges that were looked at"]:
        print(f"  {line}")
    for warning in dict.fromkeys(text for one in found.ranking for text in one.prediction.warnings):
        print(f"note: {warning}")
    if html is not None:
        advice_page.write(found, html, known)
        print(f"\n{html}: the same with maps of the winners")
    return OK


def rate(network: str) -> float:
    """Gbit/s of a network in words, or in numbers."""
    from suite.cluster import presets

    try:
        return float(network)
    except ValueError:
        return presets.find(network).line_rate_mbit / 1000


def _workload(model: str, compute: str | None, batch: int, input_: str | None) -> Workload:
    from suite.cli.foretell import workload_of
    from suite.simulate import Workload, measuring

    if ":" not in model:
        return workload_of(model, compute, None, batch)
    made = measuring.imported(model)
    if input_ is None:
        raise ValueError(f"--input is missing: the sizes of one sample that {model} takes, for example 3x224x224")
    workload = Workload.measure(made, (batch, *measuring.shape(input_)))
    return workload if compute is None else workload.lasting(float(compute))
