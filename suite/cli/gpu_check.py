"""`farandole gpu-check`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.errors import FAILED, OK, BadInputError

EXAMPLE = "Example: farandole gpu-check --cpu --only sums --only overlap"
COLOURS = {"passed": "green", "failed": "red", "out of time": "red", "not available": "yellow"}


def gpu_check(
    list_steps: Annotated[
        bool, typer.Option("--list", help="Show the steps and their time limits; run nothing.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option(help="A step of --list; repeatable.")] = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="Every step on a CPU stand-in; results say so.")] = False,
    nccl: Annotated[Path | None, typer.Option(help="The Python of an environment whose Horovod has NCCL.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also the steps that have passed already.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the results go.")] = Path("gpu-check"),
) -> int:
    """Run on a GPU what has to be seen there, in order of worth. Results are written after each step."""
    from rich.console import Console

    from suite.cli.options import one_of
    from suite.gpu import device
    from suite.gpu.check import Check
    from suite.gpu.steps import STEPS, Setting

    console = Console(highlight=False)
    names = [step.name for step in STEPS]
    for name in only or ():
        one_of("step", name, names)
    if nccl is not None and not nccl.exists():
        raise BadInputError(f"--nccl {nccl}: there is no such Python")
    chosen = [step for step in STEPS if not only or step.name in only]
    if list_steps:
        for step in chosen:
            console.print(f"{step.name:<13} {step.seconds:4.0f} s  {step.question}")
        return OK
    found = device.look()
    lacking = device.problem(found)
    if lacking and not cpu:
        raise BadInputError(lacking)
    over_nccl = (
        str(nccl.absolute()) if nccl else Setting(folder).python if found.nccl or (cpu and found.horovod) else None
    )
    folder.mkdir(parents=True, exist_ok=True)
    setting = Setting(folder, stand_in=cpu, nccl=over_nccl, lonely=device.lonely(found))
    check = Check(folder.absolute(), found, setting)
    failed = 0
    for step in chosen:
        if not again and check.done(step):
            console.print(f"{step.name:<13} passed before ({check.result_of(step).name}); --again runs it anew")
            continue
        with console.status(step.question):
            result = check.one(step)
        failed += result["verdict"] in ("failed", "out of time")
        where = " on a CPU stand-in" if cpu else ""
        verdict = f"[{COLOURS[result['verdict']]}]{result['verdict']}[/]"
        console.print(f"{step.name:<13} {verdict}{where} after {result['seconds']:.0f} s")
        if result["why"]:
            console.print(result["why"], style="dim", markup=False)
    console.print(f"Results: {folder}/*.json")
    return FAILED if failed else OK
