"""`farandole bench`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.errors import FAILED, INTERRUPTED, OK, BadInputError, FailedError, input_errors
from suite.cli.records import DEFAULT_FOLDER

EXAMPLE = "Example: farandole bench quick --only framework=torch --only algorithm=delayed --dry-run"


def bench(
    experiment: Annotated[
        str, typer.Argument(help="A name of `farandole list experiments`, or the path of a .toml file.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the runs, their order and times; start nothing.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="axis=pattern, or the beginning of a run's identity; repeatable.")
    ] = None,
    repeat: Annotated[int | None, typer.Option(help="Repetitions, in place of the file's.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only runs of the last sweep that are missing or were disturbed.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="With --resume: the failed ones again, too.")] = False,
    trace: Annotated[Path | None, typer.Option(help="Folder for a trace of every run, for ui.perfetto.dev.")] = None,
    folder: Annotated[Path, typer.Option("--records", help="The folder of records.")] = DEFAULT_FOLDER,
) -> int:
    """Run an experiment; every run leaves a record. Exit code 1 if a run failed."""
    from rich.console import Console

    from suite.experiment import file as experiments
    from suite.experiment.plan import expand, refuse_what_is_not_here
    from suite.harness import shares
    from suite.harness.outline import Options
    from suite.harness.sweep import Sweeper
    from suite.record.store import Store, StoreError

    if retry and not resume:
        raise BadInputError("--retry is for --resume")
    with input_errors():
        loaded = experiments.load(experiment)
        plan = expand(loaded, repetitions=repeat, ask_hosts=not dry_run)
        plan = plan.only(only) if only else plan
    console = Console()
    store = Store(folder)
    sweeper = Sweeper(store, console)
    options = Options(resume=resume, retry=retry, trace=trace)
    try:
        store.check()
        if dry_run:
            sweeper.show(plan, options)
            return OK
        with input_errors():
            refuse_what_is_not_here(loaded, plan)
        if trace is not None:
            trace.mkdir(parents=True, exist_ok=True)
        done = sweeper.run(plan, options)
    except StoreError as error:
        raise BadInputError(str(error)) from error
    present = f", {done.skipped} {'was' if done.skipped == 1 else 'were'} there already" if done.skipped else ""
    console.print(f"{_runs(len(done.records))} recorded in {folder / plan.experiment}{present}.", highlight=False)
    where = "" if folder == DEFAULT_FOLDER else f" --records {folder}"
    if done.stopped:
        raise FailedError(done.stopped)
    if done.interrupted:
        console.print(f"Interrupted. To go on: farandole bench {experiment}{where} --resume", highlight=False)
        return INTERRUPTED
    if done.failed:
        failed = f"[red]{_runs(len(done.failed))} failed[/]; `farandole records ls{where}` says why."
        console.print(failed, highlight=False)
    if done.diverged:
        console.print(f"{_runs(done.diverged)} diverged.", highlight=False)
    for line in shares.told(done.records):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"The report of what is recorded: farandole report{where}", highlight=False)
    return FAILED if done.failed else OK


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
