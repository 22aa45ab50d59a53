"""`farandole report`"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from suite.cli.errors import FAILED, OK, BadInputError, input_errors
from suite.cli.records import DEFAULT_FOLDER
from suite.cli.screen import drawing_bar

EXAMPLE = "Example: farandole report --records results --out build/report"
DEFAULT_OUT = Path("build/report")


def report(
    folder: Annotated[Path, typer.Option("--records", help="The folder of records.")] = DEFAULT_FOLDER,
    out: Annotated[Path, typer.Option(help="The folder to write; a report that is there is replaced.")] = DEFAULT_OUT,
    experiment: Annotated[str | None, typer.Option(help="Only the records of this experiment.")] = None,
    readme: Annotated[Path | None, typer.Option(help="Put the first answers into this Markdown file, too.")] = None,
) -> int:
    """Render records: pages (open report.html), Markdown, tables, figures. Exit code 1 if a record could not be read."""
    from suite.cluster.local import usable_cores
    from suite.record.store import Store, StoreError
    from suite.report import excerpt, render
    from suite.report.gallery import drawings

    if readme is not None and not readme.is_file():
        raise BadInputError(f"--readme {readme}: there is no such file")
    try:
        Store(folder).check()
    except StoreError as error:
        raise BadInputError(str(error)) from error
    with input_errors(), drawing_bar() as told:
        draw = partial(drawings, processes=usable_cores(), told=told)
        rendered = render(folder, out, experiment=experiment, draw=draw)
        if readme is not None and rendered.records:
            excerpt.renew(readme, out)
    print(f"report: {rendered.message}")
    return FAILED if rendered.holes else OK
