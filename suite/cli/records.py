"""`farandole records ls|show|export`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli.errors import FAILED, OK, BadInputError
from suite.cli.options import one_of

if TYPE_CHECKING:
    from suite.record.reading import Contents
    from suite.record.schema import Record

EXAMPLE = "Example: farandole records export --table steps --out steps.parquet"
app = typer.Typer(help="Look at what was recorded.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--records", help="The folder of records.")]
Experiment = Annotated[str | None, typer.Option(help="Only the records of this experiment.")]
DEFAULT_FOLDER = Path("results")


@app.command("ls", epilog="Example: farandole records ls --experiment quick")
def ls(folder: Folder = DEFAULT_FOLDER, experiment: Experiment = None) -> int:
    """One line per record; damaged files are named. Exit code 1 if there are any."""
    from rich.markup import escape
    from rich.table import Table

    from suite.cli.screen import wide_console
    from suite.record.axes import AXES, Use, shown, shown_of
    from suite.record.outcome import Diverged, Failed

    contents = read(folder, experiment)
    table = Table(box=None, padding=(0, 2, 0, 0))
    axes = shown_of(record.labels for record in contents.records)
    among = [axis for axis in axes if AXES[axis].use in (Use.SETTING, Use.CONTENDER)]
    for column in ("experiment", "identity", *among, "how"):
        table.add_column(column, no_wrap=column == "identity", overflow="fold")
    for record in contents.records:
        names = [str(shown(record.labels, axis)) for axis in among]
        table.add_row(record.experiment, name(record), *names, outcome(record))
    console = wide_console()
    console.print(table)
    count = len(contents.records)
    console.print(f"{count} record{'s' * (count != 1)} in {folder}")
    for record in contents.records:
        if isinstance(record.outcome, Failed | Diverged):
            console.print(f"{name(record)} [red]{outcome(record)}[/]:", escape(record.outcome.message), soft_wrap=True)
    for unreadable in contents.unreadable:
        console.print(f"[red]not readable:[/] {unreadable.path}: {unreadable.why}")
    return FAILED if contents.unreadable else OK


@app.command("pack", epilog="Example: farandole records pack --records reports/reference/records")
def pack(folder: Folder = DEFAULT_FOLDER) -> int:
    """Make one file of each experiment's records, a tenth of their size; every command reads them as before."""
    from rich.markup import escape
    from rich.progress import Progress

    from suite.cli.screen import wide_console
    from suite.record.store import Store, StoreError

    store, console = Store(folder), wide_console()
    try:
        if not store.files():
            raise BadInputError(f"there are no records in {folder}")
        with store.writing() as writer, Progress(console=console, transient=True) as progress:
            task = progress.add_task("packing")

            def told(name: str, done: int, of: int) -> None:
                progress.update(task, description=f"packing {escape(name)}", completed=done, total=of)

            before, after = writer.pack(told)
    except StoreError as error:
        raise BadInputError(str(error)) from error
    console.print(f"{folder}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")
    return OK


@app.command("show", epilog="Example: farandole records show 3fa9c1d2")
def show(
    identity: Annotated[str, typer.Argument(help="The beginning of a record's identity (see `records ls`).")],
    folder: Folder = DEFAULT_FOLDER,
) -> int:
    """Everything that one record holds, as JSON."""
    contents = read(folder, None)
    found = [record for record in contents.records if record.identity.startswith(identity.split("-")[0])]
    if not found:
        raise BadInputError(f"no record in {folder} begins with {identity!r}; `farandole records ls` shows them all")
    for record in found:
        print(record.model_dump_json(indent=1))
    return OK


@app.command("export", epilog=EXAMPLE)
def export(
    out: Annotated[Path, typer.Option(help="The file to write, .csv or .parquet; with --to, the folder.")],
    table: Annotated[str, typer.Option(help="runs, steps or evaluations.")] = "runs",
    to: Annotated[
        str | None, typer.Option(help="tensorboard, mlflow or wandb: files for that tool, all tables.")
    ] = None,
    folder: Folder = DEFAULT_FOLDER,
    experiment: Experiment = None,
) -> int:
    """Write records as a flat table, or in the files of a tool that shows runs."""
    from suite.record import tables

    if to is not None:
        return export_to(to, out, folder, experiment)
    one_of("table", table, tables.KINDS)
    one_of("kind of file", out.suffix, tables.SUFFIXES)
    if not out.parent.is_dir():
        raise BadInputError(f"--out {out}: there is no folder {out.parent}")
    frame = tables.table(table, read(folder, experiment).records)
    tables.export(frame, out)
    print(f"{out}: {len(frame)} rows")
    return OK


def export_to(tool: str, out: Path, folder: Path, experiment: str | None) -> int:
    from suite.export import story, tools

    one_of("tool", tool, tools.TOOLS)
    lacking = tools.missing(tool)
    if lacking:
        raise BadInputError(f"--to {tool}: {lacking}")
    if out.exists() and not out.is_dir():
        raise BadInputError(f"--out {out}: --to {tool} writes a folder, and that is a file")
    records = read(folder, experiment).latest()
    tools.TOOLS[tool](map(story.tell, records), out)
    print(f"{out}: {len(records)} runs for {tool}")
    return OK


def read(folder: Path, experiment: str | None) -> Contents:
    from suite.record.store import Store, StoreError

    if not folder.exists():
        raise BadInputError(
            f"there is no folder {folder}; `farandole bench` makes records, --records names another folder"
        )
    try:
        contents = Store(folder).read()
    except StoreError as error:
        raise BadInputError(str(error)) from error
    if experiment is None:
        return contents
    one_of("experiment in this folder", experiment, sorted({record.experiment for record in contents.records}))
    return Store(folder).read(experiment)


def name(record: Record) -> str:
    return f"{record.identity[:8]}-r{record.repetition}-a{record.attempt}"


def outcome(record: Record) -> str:
    """In a word or two; the message has a line of its own, as a column would be too narrow for it."""
    from suite.record.outcome import Failed

    return record.outcome.reason.value if isinstance(record.outcome, Failed) else record.outcome.status
