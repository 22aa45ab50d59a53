"""`farandole compare A B`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.errors import BadInputError, input_errors

EXAMPLE = "Example: farandole compare results-before results-after --tolerance 0.05 --html change.html"


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A folder of records: how it was.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="A folder of records: how it is.")],
    across_environments: Annotated[
        bool, typer.Option("--across-environments", help="Compare though machines or versions differ.")
    ] = False,
    false_alarm: Annotated[
        float, typer.Option(help="The highest chance of exit code 1 although nothing changed.")
    ] = 0.05,
    tolerance: Annotated[float, typer.Option(help="How much slower, as a share, is still all right.")] = 0.0,
    experiment: Annotated[str | None, typer.Option(help="Only the records of this experiment.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the comparison as a page, to this file.")] = None,
) -> int:
    """Set two folders of records beside each other. Exit code 1 if anything in B is worse than in A."""
    if not 0 < false_alarm < 1:
        raise BadInputError(f"--false-alarm {false_alarm:g}: must be between 0 and 1")
    if not 0 <= tolerance < float("inf"):
        raise BadInputError(f"--tolerance {tolerance:g}: must be 0 or more")
    if html is not None and (html.is_dir() or not html.parent.is_dir()):
        raise BadInputError(f"--html {html}: name a file in a folder that is there")
    for folder in (first, second):
        if not folder.is_dir():
            raise BadInputError(f"there is no folder {folder}")
    from suite.report import compare as compare_records

    with input_errors():
        comparison = compare_records(
            first,
            second,
            across_environments=across_environments,
            false_alarm=false_alarm,
            tolerance=tolerance,
            experiment=experiment,
        )
    print(comparison.text)
    if html is not None:
        html.write_text(comparison.html)
    return comparison.exit_code
