"""`farandole list`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli.options import one_of

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLE = "Example: farandole list algorithms"
KINDS = ("algorithms", "formats", "models", "data", "experiments")


def list_what_there_is(
    what: Annotated[str, typer.Argument(metavar="[" + "|".join(KINDS) + "]", help="All of it if left out.")] = "",
) -> None:
    """Show the algorithms, formats of the wire, models, data sets and experiments that there are, with their options."""
    from suite.cli import catalogue
    from suite.cli.screen import wide_console

    makers = {
        "algorithms": catalogue.algorithms_table,
        "formats": catalogue.formats_table,
        "models": catalogue.models_table,
        "data": catalogue.data_table,
        "experiments": catalogue.experiments_table,
    }
    chosen = [one_of("kind of thing to list", what, KINDS)] if what else list(KINDS)
    tables: list[Table] = [makers[kind]() for kind in chosen]
    console = wide_console()
    for table in tables:
        console.print(table)
